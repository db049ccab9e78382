"""The user of a container: from the request, the image's User, and its passwd and group files.

A number is always an id and never a name: an image whose passwd has a user called "1000" with uid 0
must not turn a checked non-root user into root.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cri_shim import untrusted
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import origins as of
from cri_shim.spec.origins import OFF, Origins

MAX_ID = 2**31 - 1  # the limit of Kubernetes; greater ids have wrapped around to root elsewhere
FILE_LIMIT = 4 << 20  # bytes of an image's /etc/passwd or /etc/group that are read
_CONTEXT = "config.linux.security_context"


@dataclass(frozen=True, slots=True)
class User:
    """A resolved user. `additional_gids` is sorted and includes `gid`, as the status reports it."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = (0,)
    home: str = ""  # from passwd; "" when the uid has no entry

    def to_cri(self) -> api_pb2.LinuxContainerUser:
        """Return the `user.linux` of a container status."""
        return api_pb2.LinuxContainerUser(
            uid=self.uid, gid=self.gid, supplemental_groups=self.additional_gids
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    uid: int
    gid: int
    home: str


def resolve(
    context: api_pb2.LinuxContainerSecurityContext,
    image_user: str,
    passwd: str,
    group: str,
    origins: Origins = OFF,
) -> User:
    """Return the user of a container; `passwd` and `group` are texts of its root file system.

    The user is run_as_user, else run_as_username, else that of the image's "name|uid[:group|gid]".
    The group is run_as_group, else the image's (if the user is the image's too), else the primary
    one of passwd, else 0. An empty text means that there is no file. Policy Merge adds the user's
    memberships in `group`, Strict does not. Unknown names, and ids of the image that are out of
    range, are InvalidArgument.
    """
    user_text, group_text, field = _requested(context, image_user)
    entry = _find_user(user_text, passwd, field)
    gid = entry.gid
    if context.HasField("run_as_group"):
        gid = context.run_as_group.value
    elif group_text:
        gid = _find_group(group_text, group, field)
    gids = {gid, *context.supplemental_groups}
    members: set[int] = set()
    if context.supplemental_groups_policy == api_pb2.Merge:
        members = _memberships(entry, group)
        gids |= members
    if origins:
        of_gid = of.image("User") if group_text else _GROUP_OF[bool(entry.name)]
        if context.HasField("run_as_group"):
            of_gid = of.cri(f"{_CONTEXT}.run_as_group")
        _record(origins, context, image_user, of_gid, gid, members)
    return User(entry.uid, gid, tuple(sorted(gids)), entry.home)


_GROUP_OF = {True: of.image("/etc/passwd"), False: of.BUILT_IN}


def _record(
    origins: Origins,
    context: api_pb2.LinuxContainerSecurityContext,
    image_user: str,
    of_gid: str,
    gid: int,
    members: set[int],
) -> None:
    """Record the origins of process.user; `of_gid` is that of the group."""
    asked = "run_as_username" if context.run_as_username else ""
    asked = "run_as_user" if context.HasField("run_as_user") else asked
    of_image = of.image("User") if image_user.strip() else of.BUILT_IN
    at = ("process", "user")
    origins.put(of.cri(f"{_CONTEXT}.{asked}") if asked else of_image, *at, "uid")
    origins.put(of_gid, *at, "gid")
    for member in members:
        origins.put(of.image("/etc/group"), *at, "additionalGids", str(member))
    for each in context.supplemental_groups:
        field = of.cri(f"{_CONTEXT}.supplemental_groups")
        origins.put(field, *at, "additionalGids", str(each))
    origins.put(of_gid, *at, "additionalGids", str(gid))


def of_text(text: str, passwd: str, group: str) -> User:
    """Return the user of "name|uid[:group|gid]", with its memberships unless a group is given."""
    name, _, group_text = text.partition(":")
    entry = _find_user(name, passwd, "user")
    if group_text:
        gid = _find_group(group_text, group, "user")
        return User(entry.uid, gid, (gid,), entry.home)
    gids = {entry.gid, *_memberships(entry, group)}
    return User(entry.uid, entry.gid, tuple(sorted(gids)), entry.home)


def _memberships(entry: _Entry, group: str) -> set[int]:
    return {gid for _, gid, members in _groups(group) if entry.name and entry.name in members}


def _requested(
    context: api_pb2.LinuxContainerSecurityContext, image_user: str
) -> tuple[str, str, str]:
    """Return user text, group text, and the field that they came from."""
    if context.HasField("run_as_user"):
        return str(context.run_as_user.value), "", f"{_CONTEXT}.run_as_user"
    if context.run_as_username:
        return context.run_as_username, "", f"{_CONTEXT}.run_as_username"
    user, _, group = image_user.strip().partition(":")
    return (
        user or "0",
        group,
        f"config.image: the image's User {_shown(image_user)}",
    )


def names(passwd: str) -> dict[int, str]:
    """Return the names of the users of a passwd file; the first name of a uid wins."""
    return {entry.uid: entry.name for entry in reversed(list(_users(passwd)))}


def group_ids(group: str) -> frozenset[int]:
    """Return the ids of the groups of a group file."""
    return frozenset(gid for _, gid, _ in _groups(group))


def _find_user(text: str, passwd: str, field: str) -> _Entry:
    if _is_number(text):
        uid = _id(text, field)
        return next((e for e in _users(passwd) if e.uid == uid), _Entry("", uid, 0, ""))
    for entry in _users(passwd):
        if entry.name == text:
            return entry
    raise InvalidArgument(field, f"no user {_shown(text)} in /etc/passwd of the image")


def _find_group(text: str, group: str, field: str) -> int:
    if _is_number(text):
        return _id(text, field)
    for name, gid, _ in _groups(group):
        if name == text:
            return gid
    raise InvalidArgument(field, f"no group {_shown(text)} in /etc/group of the image")


def _shown(text: str) -> str:
    return untrusted.printable(repr(text))


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit() and text.isascii()


def _id(text: str, field: str) -> int:
    value = _number(text)
    if value is None or not 0 <= value <= MAX_ID:
        shown = untrusted.printable(text, 40)
        raise InvalidArgument(field, f"{shown} is out of range, 0 to {MAX_ID} is allowed")
    return value


def _number(text: str) -> int | None:
    """Parse digits; None if there are more than an id has. Python refuses more than 4,300."""
    digits = text.removeprefix("-").lstrip("0") or "0"
    if len(digits) > len(str(MAX_ID)):
        return None
    return -int(digits) if text.startswith("-") else int(digits)


def _users(passwd: str) -> Iterator[_Entry]:
    for parts in _lines(passwd, 4):
        uid, gid = _listed_id(parts[2]), _listed_id(parts[3])
        if uid is not None and gid is not None:
            home = parts[5] if len(parts) > 5 else ""
            yield _Entry(parts[0], uid, gid, home)


def _groups(group: str) -> Iterator[tuple[str, int, list[str]]]:
    for parts in _lines(group, 3):
        gid = _listed_id(parts[2])
        if gid is not None:
            members = parts[3].split(",") if len(parts) > 3 else []
            yield parts[0], gid, [member.strip() for member in members]


def _lines(text: str, least: int) -> Iterator[list[str]]:
    """Yield the records of a passwd or group file; comments and broken lines are skipped."""
    for line in text.split("\n"):
        parts = line.strip().split(":")
        if len(parts) >= least and parts[0] and not parts[0].startswith("#"):
            yield parts


def _listed_id(text: str) -> int | None:
    """Parse an id of a passwd or group file; None if the text is not an id."""
    if not (text.isascii() and text.isdigit()):
        return None
    value = _number(text)
    return value if value is not None and value <= MAX_ID else None
