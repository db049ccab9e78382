"""Finds files that the kernel would refuse to execute, before it does.

An OCI runtime checks only that a command exists and is executable. When the kernel then refuses the
file, the runtime cannot report an error any more: its process ends with 1.
"""

import os
import posixpath
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cri_shim.linux import syscalls
from cri_shim.linux.rootfs import read_head_in_root
from cri_shim.linux.syscalls import StrPath

_HEAD = 4096  # bytes; in an ELF file they have the program headers and the interpreter's name
_LINE = 256  # of them, for "#!": the part that the kernel reads
_ELF = b"\x7fELF"
# The ELF machines that a kernel executes, by the kernel's own: amd64 and 386, arm64 and arm.
_KIN = {62: {62, 3}, 183: {183, 40}}
_MACHINES = {  # by e_machine of the ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/
    3: "x86 (32 bits)", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm (32 bits)",
    62: "x86-64", 183: "arm64", 243: "riscv", 258: "loongarch",
}  # fmt: skip
_MACHINE_AT, _CLASS_AT, _ORDER_AT = 18, 4, 5
_BITS_64, _BIG_ENDIAN = 2, 2
_Look = Callable[..., bytes | None]  # read_head_in_root of a root
_PT_INTERP = 3


def complaint(root: StrPath, command: str, path: str, cwd: str, volumes: bool = False) -> str:
    """Return why the kernel would not execute `command` inside `root`; "" if no reason was found.

    `path` is the PATH of the command, `cwd` its working directory. "" also for a command that does
    not exist, and if binfmt_misc has more formats. Raises OSError; EXDEV if the search leads into a
    volume, unless `volumes` permits it: the server of a volume may never answer.
    """
    look = partial(read_head_in_root, root, one_mount=not volumes)
    for place in _places(command, path, cwd):
        head = look(place, _HEAD, executable=True)
        if head is not None:
            problem = _problem(look, head, cwd)
            return f"{place}: {problem}" if problem and not _more_formats() else ""
    return ""


def _places(command: str, path: str, cwd: str) -> Iterator[str]:
    """Yield the paths at which execvp(3) looks for a command."""
    if "/" in command:
        yield posixpath.join(cwd, command)
    else:
        yield from (posixpath.join(cwd, part, command) for part in path.split(":") if part)


def _problem(look: _Look, head: bytes, cwd: str) -> str:
    if head.startswith(b"#!"):
        words = head[2:_LINE].split(b"\n")[0].strip(b" \t").replace(b"\t", b" ").split(b" ")
        return _missing(look, os.fsdecode(words[0]), cwd) if words[0] else "it names no interpreter"
    if not head.startswith(_ELF) or len(head) < _MACHINE_AT + 2:
        return "it is neither a program nor a script that names its interpreter"
    with Path("/proc/self/exe").open("rb") as own:
        theirs, ours = _machine(head), _machine(own.read(_HEAD))
    if theirs not in _KIN.get(ours, {theirs}):
        return f"it is a program for {_name(theirs)}, and this machine is {_name(ours)}"
    loader = _loader(head)
    return _missing(look, loader, cwd) if loader else ""


def _missing(look: _Look, interpreter: str, cwd: str) -> str:
    if look(posixpath.join(cwd, interpreter), 0) is None:
        return f"its interpreter {interpreter!r} is not there"
    return ""


def _machine(head: bytes) -> int:
    """Return the e_machine of an ELF header."""
    return int(struct.unpack_from(f"{_order(head)}H", head, _MACHINE_AT)[0])


def _name(machine: int) -> str:
    return _MACHINES.get(machine, f"the unknown ELF machine {machine}")


def _order(head: bytes) -> str:
    return ">" if head[_ORDER_AT] == _BIG_ENDIAN else "<"


def _loader(head: bytes) -> str:
    """Return the dynamic loader that a 64-bit ELF file names within its `head`; else ""."""
    order = _order(head)
    if head[_CLASS_AT] != _BITS_64:
        return ""
    try:
        (at,) = struct.unpack_from(f"{order}Q", head, 32)
        size, number = struct.unpack_from(f"{order}HH", head, 54)
        for place in range(at, at + size * number, size or 1):
            kind, _, offset, _, _, length = struct.unpack_from(f"{order}IIQQQQ", head, place)
            if kind == _PT_INTERP and offset + length <= len(head):
                return os.fsdecode(head[offset : offset + length].rstrip(b"\0"))
    except struct.error:
        return ""  # the name is after the bytes that were read
    return ""


def _more_formats() -> bool:
    """Whether binfmt_misc has handlers, which execute formats that the kernel itself cannot."""
    if "binfmt_misc" not in Path("/proc/filesystems").read_text().split():
        return False
    context = syscalls.fsopen("binfmt_misc")  # it counts even if it is not mounted anywhere
    try:
        syscalls.fsconfig(context, syscalls.FSCONFIG_CMD_CREATE)
        formats = syscalls.fsmount(context)
    finally:
        os.close(context)
    try:
        names = {entry.name for entry in Path(f"/proc/self/fd/{formats}").iterdir()}
        return not names <= {"register", "status"}
    finally:
        os.close(formats)
