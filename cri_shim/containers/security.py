"""What confines the processes of a container, and of a pod: profiles found on this node."""

from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import apparmor, capabilities, seccomp
from cri_shim.spec.protection import Protection

AT = "config.linux.security_context"


async def of_container(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig
) -> Protection:
    """InvalidArgument or WrongState, naming the field, for what is not on this node."""
    context = config.linux.security_context
    process, mount = labels(engine, pod, config)
    allowed = capabilities.build(context, engine.host)["bounding"]
    return Protection(
        seccomp=await engine.profiles.seccomp.filter(AT, seccomp.wanted(context), allowed),
        apparmor=await engine.profiles.apparmor.profile(AT, apparmor.wanted(context)),
        process_label=process,
        mount_label=mount,
    )


async def of_pause(engine: Engine, pod: state.PodRecord) -> Protection:
    """Of the pause process of a pod, which has no capabilities."""
    context = pod.config.linux.security_context
    process, mount = pod_labels(engine, pod)
    return Protection(
        seccomp=await engine.profiles.seccomp.filter(AT, seccomp.wanted(context), ()),
        apparmor=await engine.profiles.apparmor.profile(AT, apparmor.wanted(context)),
        process_label=process,
        mount_label=mount,
    )


async def check_pod(engine: Engine, config: api.PodSandboxConfig) -> None:
    """Refuse a pod whose profile is missing, even if no process of it would have it.

    Not so the defaults, which the kubelet always sends for pods: that would keep a node without a
    default profile from running any pod at all.
    """
    context = config.linux.security_context
    await engine.profiles.seccomp.check(AT, seccomp.wanted(context))
    named = apparmor.wanted(context)
    if named is not None and named.profile:
        await engine.profiles.apparmor.profile(AT, named)


def labels(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> tuple[str, str]:
    """SELinux labels of process and files; a container without options has those of its pod."""
    context = config.linux.security_context
    of_pod = pod.config.linux.security_context.selinux_options
    asked = context.selinux_options if context.HasField("selinux_options") else of_pod
    return engine.profiles.selinux.labels(AT, asked, pod.id, privileged=context.privileged)


def pod_labels(engine: Engine, pod: state.PodRecord) -> tuple[str, str]:
    """SELinux labels of a pod's own process, and of the files it shares."""
    context = pod.config.linux.security_context
    return engine.profiles.selinux.labels(
        AT, context.selinux_options, pod.id, privileged=context.privileged
    )
