"""Turns CRI messages into an OCI runtime-spec document: pure functions, no I/O.

    plan.decide(ContainerInput)         the Plan of a new container: its document, and more
    container.build(ContainerInput)     the config.json of a container, before plan.EDITS
    pause.build(PauseInput)             the config.json of the init of a shared pid namespace
    sandbox.build(...)                  the document that a pod without such an init reports
    process.exec_process(spec, ...)     the process object of an exec in such a container
    resources.merge, resources.changes  the limits after an update, and their differences

The caller gathers facts (files of the root file system, devices, mounts, abilities of the host) and
passes them as values. The same input gives the same document; the golden tests compare it. A
request that cannot be served is InvalidArgument, which names the field of the request. A later
error of the OCI runtime could not name the field.

Documents have ociVersion 1.0.2: an older crun refuses a newer version, and no code here needs one.

- `plan`: decides what is done for a new container: its document with all edits, hooks, VOLUMEs
- `container`: builds the document of a container
- `pause`, `sandbox`: the document of a pod with, and without, a pause process
- `document`: the type of the document, and its form on disk
- `host`: the facts about the host that a document depends on
- `origins`: records where the value of each field of a document is from
- `node_defaults`: what the configuration of the node gives to every container
- `process`: arguments, environment, working directory; the process object of an exec
- `users`: the user and groups of a container
- `capabilities`: the capability sets
- `mounts`: the mounts
- `declared`: the VOLUMEs of an image
- `sources`: replaces the sources of bind mounts by paths that no tenant can change
- `devices`, `annotated_devices`: device nodes and the rules of the device cgroup; those that a pod
  requests by an annotation
- `pod_files`: the files of a pod that its containers see
- `cdi`, `cdi_file`: devices of the Container Device Interface, and its specification files
- `resources`: limits, at creation and in an update
- `scope`: the systemd properties of a container's scope
- `namespaces`, `userns`: the namespaces, and the id mapping of a user namespace
- `annotations`: the annotations
- `protection`: the seccomp filter, AppArmor profile and SELinux labels, as one value
- `seccomp`, `apparmor`, `selinux`: the choice of each of these from the request; isolation has the
  profiles of the node
- `hooks`, `hook_files`: OCI hooks, and the files that define them
- `rootless`: changes the document for the OCI runtime of an unprivileged user
- `signals`: signals as CRI values, names and numbers
- `image_config`: reads the configuration of an image
- `image_changes`: writes the configuration of an image that is committed from a container
- `yaml_file`: reads YAML of others with limits
"""
