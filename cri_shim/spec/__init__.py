"""From CRI messages to an OCI runtime-spec document: pure functions, no I/O.

    plan.decide(ContainerInput)        what is done for a new container: its document, and more
    container.build(ContainerInput)    the config.json of a container, before plan.EDITS
    pause.build(PauseInput)            the config.json of the init of a shared pid namespace
    sandbox.build(...)                 what a pod without such an init shows in its place
    process.exec_process(spec, ...)    the process object of an exec in such a container
    resources.merge, resources.changes what an update leaves in force, and what it alters

The caller gathers facts (files of the root file system, devices, mounts, what the host can do) and
hands them in as values; the same input gives the same document, which is what the golden tests
hold on to. One file is one part of the document: process, users, capabilities, mounts, declared
(VOLUMEs), devices, resources, namespaces, userns, annotations, scope (what systemd is told);
protection is what seccomp, apparmor and selinux have decided. What cannot be served is
InvalidArgument, naming the field of the request; an OCI runtime's later complaint could not name
it.

Documents say ociVersion 1.0.2: older crun refuses what is newer, and nothing here needs it.
"""
