"""Mounts: makes them, ends them, and reads the mount table."""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.linux import syscalls

OPTIONS_LIMIT = 4095  # bytes of options that mount(2) accepts: a page less the final NUL
_SHORT_CUTS = ["redirect_dir", "metacopy"]  # of overlayfs: parts of a change stay in lower layers
_DATA_ONLY = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo; see proc(5)."""

    id: int
    device: str
    root: str
    target: Path
    options: tuple[str, ...]  # of this mount: ro, nosuid, ...
    optional: tuple[str, ...]
    fstype: str
    super_options: tuple[str, ...]


def parse_mountinfo(text: str) -> Iterator[Mount]:
    """Yield the lines of a mountinfo file, in mount order.

    A path may have every character except the escaped ones; a tenant may have chosen it.
    """
    for line in filter(None, text.split("\n")):
        before, _, after = line.partition(" - ")
        first, last = before.split(" "), after.split(" ")
        yield Mount(
            id=int(first[0]),
            device=first[2],
            root=_unescape(first[3]),
            target=Path(_unescape(first[4])),
            options=tuple(first[5].split(",")),
            optional=tuple(first[6:]),
            fstype=last[0],
            super_options=tuple(last[2].split(",")),
        )


def _unescape(text: str) -> str:
    # The file has space, tab, newline, backslash and "#" as \ooo; a name need not be UTF-8.
    if "\\" not in text:
        return text
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def mountinfo() -> Iterator[Mount]:
    """Yield every mount of this mount namespace."""
    return parse_mountinfo(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))


def bind(
    source: syscalls.StrPath,
    target: syscalls.StrPath,
    *,
    readonly: bool = False,
    recursive: bool = False,
) -> None:
    """Mount `source` at `target`, too; with `readonly` it is read-only from the first moment."""
    if not readonly:
        syscalls.mount(
            source, target, None, syscalls.MS_BIND | (syscalls.MS_REC if recursive else 0)
        )
        return
    flags = (
        syscalls.OPEN_TREE_CLONE
        | syscalls.OPEN_TREE_CLOEXEC
        | (syscalls.AT_RECURSIVE if recursive else 0)
    )
    tree = syscalls.open_tree(source, flags)
    try:
        rdonly = syscalls.MOUNT_ATTR_RDONLY
        syscalls.mount_setattr(tree, source, attr_set=rdonly, recursive=recursive)
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def without_links(source: syscalls.StrPath) -> int:
    """Return a detached mount of the directory `source` in which no symbolic link is followed.

    In it, set-uid bits and device nodes have no effect and no program can be executed. The caller
    closes it. Linux before 5.14 has no such mounts: there, links are followed.
    """
    safe = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC
    tree = syscalls.open_tree(source, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC)
    try:
        attributes = safe | syscalls.MOUNT_ATTR_NOSYMFOLLOW
        try:
            syscalls.mount_setattr(tree, source, attr_set=attributes, recursive=False)
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            syscalls.mount_setattr(tree, source, attr_set=safe, recursive=False)
    except BaseException:
        os.close(tree)
        raise
    return tree


def tmpfs(
    target: syscalls.StrPath,
    size_bytes: int,
    mode: int,
    *,
    owner: tuple[int, int] = (0, 0),
    label: str = "",
) -> None:
    """Mount an empty tmpfs of at most `size_bytes`: no set-uid, no devices, no programs.

    `owner` is its user and group, `label` the SELinux label of all files in it ("" = none).
    """
    options = f"size={size_bytes},mode={mode:o},uid={owner[0]},gid={owner[1]}"
    options += f',context="{label}"' if label else ""
    syscalls.mount("tmpfs", target, "tmpfs", _DATA_ONLY, options)


def limit_tmpfs(target: syscalls.StrPath, more_bytes: int, more_files: int) -> None:
    """Let the tmpfs at `target` grow by at most these bytes and files from now on."""
    now = os.statvfs(target)
    size = (now.f_blocks - now.f_bfree) * now.f_frsize + more_bytes
    options = f"size={size},nr_inodes={now.f_files - now.f_ffree + more_files}"
    syscalls.mount("tmpfs", target, "tmpfs", _DATA_ONLY | syscalls.MS_REMOUNT, options)


def overlay(
    lowers: Sequence[Path],
    upper: Path | None,
    work: Path | None,
    target: Path,
    *,
    userxattr: bool = False,
    label: str = "",
) -> None:
    """Mount `lowers` (uppermost first) and a writable `upper` as one tree at `target`.

    There is no sync: after a crash of the host, `upper` must be thrown away. `upper` has every
    changed file completely, whatever this kernel's defaults are. `userxattr` keeps overlay's marks
    in user.overlay.*, which root of a user namespace may write. Many layers need Linux 6.7, where
    the options may be longer than a page.

    All files have the same device number, also if the layers are different file systems: otherwise
    programs that stay on one file system would miss most of them.
    """
    options = [f"lowerdir={':'.join(map(os.fspath, lowers))}"]
    # With `userxattr` they are off, and the kernel accepts no option for them.
    settings = dict.fromkeys([] if upper is None or userxattr else _SHORT_CUTS, "off")
    directories = [*lowers, upper] if upper is not None else lowers
    if len({Path(directory).stat().st_dev for directory in directories}) > 1:
        settings["xino"] = "on"
    options += [f"{name}={value}" for name, value in settings.items()]
    if upper is not None:
        options += [f"upperdir={upper}", f"workdir={work}", "volatile"]
    options += ["userxattr"] if userxattr else []
    if label:
        options.append(f'context="{label}"')
    data = ",".join(options)
    # "," and ":" in a path would need escapes that differ between kernels: fsconfig needs none.
    odd = any(c in os.fspath(p) for p in (*lowers, upper or "", work or "") for c in ",:\\")
    if len(os.fsencode(data)) <= OPTIONS_LIMIT and not odd:
        syscalls.mount("overlay", target, "overlay", 0, data)
        return
    flags = [("volatile", upper is not None), ("userxattr", userxattr)]
    _overlay_by_fsconfig(
        lowers, upper, work, target,
        settings=settings, flags=[flag for flag, wanted in flags if wanted], label=label,
    )  # fmt: skip


def _overlay_by_fsconfig(
    lowers: Sequence[Path],
    upper: Path | None,
    work: Path | None,
    target: Path,
    *,
    settings: Mapping[str, str],
    flags: Sequence[str],
    label: str,
) -> None:
    context = syscalls.fsopen("overlay")
    try:
        for lower in lowers:
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "lowerdir+", lower)
        if upper is not None and work is not None:
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "upperdir", upper)
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "workdir", work)
        for name, value in settings.items():
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, name, value)
        for flag in flags:
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_FLAG, flag)
        if label:
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "context", label)
        syscalls.fsconfig(context, syscalls.FSCONFIG_CMD_CREATE)
        tree = syscalls.fsmount(context)
    except OSError as e:
        messages = _messages(context) or str(e.strerror)
        hint = f"overlay of {len(lowers)} layers: {messages}"
        hint += f": {e.filename}" if e.filename else ""
        if e.errno == errno.EINVAL and "lowerdir+" in messages:
            hint += f" (options above {OPTIONS_LIMIT} bytes need Linux 6.7)"
        raise OSError(e.errno, hint, os.fspath(target)) from e
    finally:
        os.close(context)
    try:
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def _messages(context: int) -> str:
    """Return the kernel's messages about a failed fsconfig: one for each read, until ENODATA."""
    messages: list[str] = []
    try:
        while True:
            messages.append(os.read(context, 4096).decode(errors="replace").strip())
    except OSError:
        return "; ".join(messages)


def unmount(path: syscalls.StrPath, *, lazy: bool = True) -> None:
    """End the mount at `path`; no error if there is no mount or no such path.

    A lazy unmount removes the mount from the tree at once; it ends when its last user does.
    """
    try:
        syscalls.umount2(path, syscalls.UMOUNT_NOFOLLOW | (syscalls.MNT_DETACH if lazy else 0))
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            raise


def is_mounted(path: syscalls.StrPath) -> bool:
    """Whether `path` is a mount point, of a file or of a directory."""
    try:
        return syscalls.statx_mount(path)[1]
    except (FileNotFoundError, NotADirectoryError):
        return False


def mounts_below(path: syscalls.StrPath) -> list[Path]:
    """Return the mount points at or below `path`, last mounted first: the order for unmounting."""
    top = Path(os.path.realpath(path))
    return [m.target for m in mountinfo() if m.target.is_relative_to(top)][::-1]


def lower_directories(mounted: Iterable[Mount]) -> set[str]:
    """Return the names, without their paths, of the lower directories of overlays."""
    options = (o for m in mounted if m.fstype == "overlay" for o in m.super_options)
    lowers = (o.partition("=")[2] for o in options if o.startswith(("lowerdir=", "lowerdir+=")))
    return {Path(part).name for lower in lowers for part in lower.split(":") if part}


def propagation(mount: Mount) -> tuple[bool, bool]:
    """Whether the mount is (shared, slave)."""
    tags = [tag.partition(":")[0] for tag in mount.optional]
    return "shared" in tags, "master" in tags


def mount_of(path: syscalls.StrPath) -> Mount:
    """Return the mount of `path`; symbolic links are followed."""
    return mount_with(syscalls.statx_mount(os.path.realpath(path))[0], path)


def mount_with(id: int, about: syscalls.StrPath) -> Mount:
    """Return the mount with this id; `about` is a path on it, for the error."""
    for mount in mountinfo():
        if mount.id == id:
            return mount
    raise FileNotFoundError(errno.ENOENT, "its mount is not in this namespace", os.fspath(about))


def make_shared(path: syscalls.StrPath) -> None:
    """Share mounts below the mount point `path` with its copies from now on, in both directions."""
    syscalls.mount(None, path, None, syscalls.MS_SHARED)
