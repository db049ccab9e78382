"""What confines the processes of a container, and of a pod: profiles found on this node."""

from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import capabilities, seccomp
from cri_shim.spec.protection import Protection

AT = "config.linux.security_context"


async def of_container(on: Engine, config: api.ContainerConfig) -> Protection:
    """InvalidArgument or WrongState, naming the field, for what is not on this node."""
    context = config.linux.security_context
    allowed = capabilities.build(context, on.host)["bounding"]
    return Protection(seccomp=on.seccomp.filter(AT, seccomp.wanted(context), allowed))


async def of_pause(on: Engine, config: api.PodSandboxConfig) -> Protection:
    """Of the pause process of a pod, which has no capabilities."""
    context = config.linux.security_context
    return Protection(seccomp=on.seccomp.filter(AT, seccomp.wanted(context), ()))


def check_pod(on: Engine, config: api.PodSandboxConfig) -> None:
    """Refuse a pod whose profile is missing, even if no process of it would have it.

    Not so RuntimeDefault, which the kubelet always sends for pods: it would keep a node without a
    default profile from running any pod at all.
    """
    on.seccomp.check(AT, seccomp.wanted(config.linux.security_context))
