"""Checks of security contexts: namespaces, users, profiles. Pods and containers share most."""

import re
from collections.abc import Iterable

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.users import MAX_ID
from cri_shim.validate import fields

_MAX_HOST_ID = 2**32 - 2  # 2**32 - 1 means "no change" to the kernel

_CAPABILITY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_pod_security(at: str, context: api.LinuxSandboxSecurityContext) -> None:
    """Check a pod's context; `at` is the path of `context` in the request."""
    options = context.namespace_options
    _namespaces(f"{at}.namespace_options", options)
    if options.pid == api.TARGET:
        raise InvalidArgument(f"{at}.namespace_options.pid", "TARGET is for containers")
    _users(at, context, named=False)
    _profiles(at, context)


def check_container_security(at: str, context: api.LinuxContainerSecurityContext) -> None:
    """Check a container's context; `at` is the path of `context` in the request."""
    options = context.namespace_options
    _namespaces(f"{at}.namespace_options", options)
    if options.pid == api.TARGET:
        fields.identifier(f"{at}.namespace_options.target_id", options.target_id)
    fields.plain(f"{at}.run_as_username", context.run_as_username)
    if context.HasField("run_as_user") and context.run_as_username:
        raise InvalidArgument(f"{at}.run_as_username", "run_as_user is given too; give one of them")
    _users(at, context, named=bool(context.run_as_username))
    _profiles(at, context)
    for field in ("masked_paths", "readonly_paths"):
        for index, path in enumerate(getattr(context, field)):
            fields.absolute(f"{at}.{field}[{index}]", path)
    for field in ("add_capabilities", "drop_capabilities", "add_ambient_capabilities"):
        _capabilities(f"{at}.capabilities.{field}", getattr(context.capabilities, field))


def _namespaces(at: str, options: api.NamespaceOption) -> None:
    """Network and ipc belong to the pod or to the node; pid has four modes, userns two."""
    for field in ("network", "ipc"):
        mode = getattr(options, field)
        fields.known(f"{at}.{field}", mode, api.NamespaceMode.DESCRIPTOR)
        if mode not in (api.POD, api.NODE):
            raise InvalidArgument(f"{at}.{field}", "is POD or NODE")
    fields.known(f"{at}.pid", options.pid, api.NamespaceMode.DESCRIPTOR)
    if options.target_id and options.pid != api.TARGET:
        raise InvalidArgument(f"{at}.target_id", "is only for pid TARGET")
    if options.HasField("userns_options"):
        _user_namespace(f"{at}.userns_options", options.userns_options)
        _below_user_namespace(at, options)


def _below_user_namespace(at: str, options: api.NamespaceOption) -> None:
    """Refuse the node's ipc and pid: a process in a user namespace has no rights in them.

    It can use the node's network, like other users of the node.
    """
    if options.userns_options.mode != api.POD:
        return
    for field in ("ipc", "pid"):
        if getattr(options, field) == api.NODE:
            raise InvalidArgument(f"{at}.{field}", "NODE does not go with a user namespace")


def _user_namespace(at: str, options: api.UserNamespace) -> None:
    """Check that uids and gids have exactly one mapping each, and that it maps container id 0."""
    if options.mode not in (api.POD, api.NODE):
        raise InvalidArgument(f"{at}.mode", "is POD or NODE")
    if options.mode == api.NODE:
        if options.uids or options.gids:
            raise InvalidArgument(f"{at}.mode", "NODE has no mappings")
        return
    for field in ("uids", "gids"):
        mappings = getattr(options, field)
        if len(mappings) != 1:
            raise InvalidArgument(f"{at}.{field}", f"{len(mappings)} mappings; exactly 1 is needed")
        one = mappings[0]
        if one.container_id != 0:
            raise InvalidArgument(f"{at}.{field}[0].container_id", "0 must be mapped")
        if not one.length or one.host_id + one.length - 1 > _MAX_HOST_ID:
            raise InvalidArgument(f"{at}.{field}[0].length", "leaves the range of ids")


def _users(
    at: str,
    context: api.LinuxSandboxSecurityContext | api.LinuxContainerSecurityContext,
    *,
    named: bool,
) -> None:
    """ "run_as_group must only be specified when run_as_user (or run_as_username) is"."""
    if context.HasField("run_as_group") and not (context.HasField("run_as_user") or named):
        raise InvalidArgument(f"{at}.run_as_group", "a group needs a run_as_user")
    fields.between(f"{at}.run_as_user", context.run_as_user.value, 0, MAX_ID)
    fields.between(f"{at}.run_as_group", context.run_as_group.value, 0, MAX_ID)
    for index, group in enumerate(context.supplemental_groups):
        fields.between(f"{at}.supplemental_groups[{index}]", group, 0, MAX_ID)
    fields.known(
        f"{at}.supplemental_groups_policy",
        context.supplemental_groups_policy,
        api.SupplementalGroupsPolicy.DESCRIPTOR,
    )


def _profiles(
    at: str, context: api.LinuxSandboxSecurityContext | api.LinuxContainerSecurityContext
) -> None:
    """ "localhost_ref must only be set if profile_type is Localhost"; then it is required."""
    for field in ("seccomp", "apparmor"):
        profile: api.SecurityProfile = getattr(context, field)
        fields.known(f"{at}.{field}.profile_type", profile.profile_type, _PROFILE_TYPE)
        local = profile.profile_type == api.SecurityProfile.Localhost
        if local != bool(profile.localhost_ref):
            problem = "is required for Localhost" if local else "is only for Localhost"
            raise InvalidArgument(f"{at}.{field}.localhost_ref", problem)
        fields.plain(f"{at}.{field}.localhost_ref", profile.localhost_ref)


def _capabilities(at: str, names: Iterable[str]) -> None:
    for index, one in enumerate(names):
        if not _CAPABILITY.fullmatch(one):
            raise InvalidArgument(f"{at}[{index}]", f"{one!r} is not the name of a capability")


_PROFILE_TYPE = api.SecurityProfile.ProfileType.DESCRIPTOR
