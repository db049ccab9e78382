"""Seccomp, AppArmor and SELinux settings of containers and pods, from profiles on this node."""

from collections.abc import Collection

from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import apparmor, capabilities, seccomp
from cri_shim.spec.origins import BUILT_IN, cri
from cri_shim.spec.origins import default as default_of
from cri_shim.spec.protection import Protection

AT = "config.linux.security_context"


async def of_container(
    engine: Engine, pod: state.PodRecord, config: api.ContainerConfig, *, load: bool = True
) -> Protection:
    """Return the container's profiles; InvalidArgument or WrongState names the missing one.

    `load`: whether a profile that is missing in the kernel may be loaded.
    """
    context = config.linux.security_context
    process, mount = labels(engine, pod, config)
    default = engine.defaults.containers.capabilities
    allowed = capabilities.build(context, engine.host, default)["bounding"]
    filter, profile = seccomp.requested(context), apparmor.requested(context)
    return Protection(
        seccomp=await _seccomp(engine, pod, filter, allowed),
        apparmor=await engine.profiles.apparmor.profile(AT, profile, load=load),
        process_label=process,
        mount_label=mount,
        seccomp_origin=_origin_of_filter(engine, pod, filter),
        apparmor_origin=cri(f"{AT}.{profile.field}") if profile and profile.field else BUILT_IN,
        label_origin=cri("security_context.selinux_options"),
    )


def _origin_of_filter(
    engine: Engine, pod: state.PodRecord, request: seccomp.ProfileRequest | None
) -> str:
    """Return the origin of the filter's rules: the file of the request, of the node, or ours."""
    if request is not None and request.path:
        return cri(f"{AT}.{request.field}")
    if engine.defaults.of_handler(pod.handler).seccomp_profile:
        return default_of(f"runtimes.{pod.handler}.seccomp_profile")
    return default_of("seccomp_profile") if engine.defaults.seccomp.is_configured() else BUILT_IN


async def of_pause(engine: Engine, pod: state.PodRecord) -> Protection:
    """Return the profiles of a pod's pause process, which has no capabilities."""
    context = pod.config.linux.security_context
    process, mount = pod_labels(engine, pod)
    return Protection(
        seccomp=await _seccomp(engine, pod, seccomp.requested(context), ()),
        apparmor=await engine.profiles.apparmor.profile(AT, apparmor.requested(context)),
        process_label=process,
        mount_label=mount,
    )


async def _seccomp(
    engine: Engine,
    pod: state.PodRecord,
    request: seccomp.ProfileRequest | None,
    allowed: Collection[str],
) -> seccomp.Filter | None:
    """Return the filter; RuntimeDefault is the profile of the pod's handler, if it has one."""
    of_handler = engine.defaults.of_handler(pod.handler).seccomp_profile
    return await engine.defaults.seccomp.filter(AT, request, allowed, default=of_handler)


async def check_pod(engine: Engine, config: api.PodSandboxConfig, *, load: bool = True) -> None:
    """Refuse a pod whose profile is missing, even if no process of it would use the profile.

    Default profiles are exempt: the kubelet always sends them for pods, and a node without a
    default profile could otherwise run no pod at all.
    """
    context = config.linux.security_context
    await engine.defaults.seccomp.check(AT, seccomp.requested(context))
    named = apparmor.requested(context)
    if named is not None and named.profile:
        await engine.profiles.apparmor.profile(AT, named, load=load)


def labels(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> tuple[str, str]:
    """Return the SELinux labels of process and files; the pod's if the container has no options."""
    context = config.linux.security_context
    of_pod = pod.config.linux.security_context.selinux_options
    requested = context.selinux_options if context.HasField("selinux_options") else of_pod
    return engine.profiles.selinux.labels(AT, requested, pod.id, privileged=context.privileged)


def pod_labels(engine: Engine, pod: state.PodRecord) -> tuple[str, str]:
    """Return the SELinux labels of a pod's own process, and of its shared files."""
    context = pod.config.linux.security_context
    return engine.profiles.selinux.labels(
        AT, context.selinux_options, pod.id, privileged=context.privileged
    )
