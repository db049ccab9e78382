"""AppArmor: chooses the profile of a process, and has the text of the default profile.

There are two fields, `apparmor` and the deprecated string `apparmor_profile`; the new one wins. A
context without a profile gets the default profile if the node has AppArmor.
"""

from dataclasses import dataclass

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2

UNCONFINED = "unconfined"
DEFAULT = "cri-shim-default"
_LOCAL = "localhost/"


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """The profile that a request asks for; a `profile` of "" is the default profile."""

    field: str = ""  # of the security context; "" = the request has no such field
    profile: str = ""


def requested(
    context: api_pb2.LinuxContainerSecurityContext | api_pb2.LinuxSandboxSecurityContext,
) -> ProfileRequest | None:
    """Return the profile that a security context asks for, or None for no profile.

    A privileged container has no default profile. If its request names a profile, that one is
    applied.
    """
    profile = context.apparmor
    if context.HasField("apparmor"):
        if profile.profile_type == api_pb2.SecurityProfile.Unconfined:
            return ProfileRequest("apparmor", UNCONFINED)
        if profile.profile_type == api_pb2.SecurityProfile.Localhost:
            return ProfileRequest(
                "apparmor.localhost_ref", profile.localhost_ref.removeprefix(_LOCAL)
            )
        return None if context.privileged else ProfileRequest("apparmor")
    name = ""
    if isinstance(context, api_pb2.LinuxContainerSecurityContext):
        name = context.apparmor_profile
    if name == UNCONFINED:
        return ProfileRequest("apparmor_profile", UNCONFINED)
    if name in ("", "runtime/default"):
        return None if context.privileged else ProfileRequest("apparmor_profile" if name else "")
    if not name.removeprefix(_LOCAL) or not name.startswith(_LOCAL):
        problem = f"{name!r} is not runtime/default, unconfined or localhost/NAME"
        raise InvalidArgument("config.linux.security_context.apparmor_profile", problem)
    return ProfileRequest("apparmor_profile", name.removeprefix(_LOCAL))


def loaded(profiles: str) -> frozenset[str]:
    """Return the names in the kernel's list of profiles: lines of "NAME (MODE)"."""
    return frozenset(line.rpartition(" (")[0] for line in profiles.splitlines() if " (" in line)


def default_profile() -> str:
    """Return the source of the default profile for apparmor_parser; it includes no other file.

    The profile allows everything inside the container. It denies access to the host through /proc
    and /sys, it denies mounts, and signals and ptrace between the container and other processes.
    """
    return f"""\
@{{CPROC}}=/proc/

profile {DEFAULT} flags=(attach_disconnected,mediate_deleted) {{
  network,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
  signal (receive) peer=crun,
  signal (receive) peer=runc,
  signal (send, receive) peer={DEFAULT},
  ptrace (trace, read, tracedby, readby) peer={DEFAULT},

  # Files directly under /proc, and of /proc/sys all but what namespaces have of their own.
  deny @{{CPROC}}/* w,
  deny @{{CPROC}}/{{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}}/** w,
  deny @{{CPROC}}/sys/[^kn]** w,
  deny @{{CPROC}}/sys/kernel/{{?,??,[^s][^h][^m]**}} w,
  deny @{{CPROC}}/sysrq-trigger rwklx,
  deny @{{CPROC}}/kcore rwklx,

  deny mount,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"""
