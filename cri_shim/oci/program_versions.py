"""The programs that this node runs: the version, and the package of the distribution.

Each binary is asked once. If the answer fails, because a package database is busy or broken, the
next call asks again.
"""

import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.aio import child
from cri_shim.errors import ToolFailed
from cri_shim.untrusted import first_line, read_file

VERSION_S = 5.0  # for `--version`
PACKAGE_S = 5.0  # for each query of a package database, which may be locked or not in the cache
UNKNOWN = "unknown"
CHANGELOG_LIMIT = 4 << 20  # bytes, of a packed file and of its content
_DOCS = Path("/usr/share/doc")
_CVE = re.compile(rb"CVE-[0-9]{4}-[0-9]{4,9}")

Identity = tuple[str, int, int, int]


class Inventory:
    def __init__(self) -> None:
        self._versions: dict[Identity, str] = {}
        self._packages: dict[Identity, str] = {}
        self._fixed_cves: dict[Identity, frozenset[str] | None] = {}

    async def version(self, path: Path) -> str:
        """Return the first line of `--version`; ToolFailed, TimedOut, OSError."""
        identity = _identity(path)
        if identity not in self._versions:
            done = await child.run([str(path), "--version"], timeout=VERSION_S)
            if done.returncode:
                raise ToolFailed(f"{path} --version: {done.complaint()}")
            self._versions[identity] = first_line(done.stdout)
        return self._versions[identity]

    async def package(self, path: Path) -> str:
        """Return the package with its version, as dpkg or rpm names it; "unknown" if there is none.

        TimedOut if the database does not answer, OSError if the file does not exist.
        """
        identity = _identity(path)
        if identity not in self._packages:
            self._packages[identity] = await _dpkg(path) or await _rpm(path) or UNKNOWN
        return self._packages[identity]

    async def fixed_cves(self, path: Path) -> frozenset[str] | None:
        """Return the CVEs in the change log of the program's package; None if there is none."""
        identity = _identity(path)
        if identity not in self._fixed_cves:
            named = await _debian_log(path)
            self._fixed_cves[identity] = await _rpm_log(path) if named is None else named
        return self._fixed_cves[identity]


async def _debian_log(path: Path) -> frozenset[str] | None:
    name = await _debian_package(path)
    for file in ("changelog.Debian.gz", "changelog.gz"):
        with suppress(OSError, EOFError, zlib.error):
            packed = read_file(_DOCS / name / file, CHANGELOG_LIMIT)
            return _named(zlib.decompressobj(wbits=31).decompress(packed, CHANGELOG_LIMIT))
    return None


async def _rpm_log(path: Path) -> frozenset[str] | None:
    changelog = await _output(["rpm", "--query", "--changelog", "--file", str(path)])
    return _named(changelog) if changelog else None


def _named(log: bytes) -> frozenset[str]:
    return frozenset(map(bytes.decode, _CVE.findall(log)))


def _identity(path: Path) -> Identity:
    facts = path.stat()
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns


async def _dpkg(path: Path) -> str:
    package = await _debian_package(path)
    form = "--showformat=${Package}_${Version}_${Architecture}"
    return await _first_line(["dpkg-query", "--show", form, package]) or package if package else ""


async def _debian_package(path: Path) -> str:
    """Return the package of an absolute path: dpkg searches for every other text as a pattern."""
    if not path.is_absolute():
        return ""
    for name in _names(path):
        found = await _first_line(["dpkg-query", "--search", name])
        if found:  # "conmon: /usr/bin/conmon", "libc6:amd64, other: /path"
            return found.partition(": ")[0].partition(",")[0]
    return ""


async def _rpm(path: Path) -> str:
    if not path.is_absolute():
        return ""
    return await _first_line(["rpm", "--query", "--file", str(path)])


def _names(path: Path) -> Sequence[str]:
    """Return names to ask for: the package or the question may use /bin, a link to /usr/bin."""
    names = [str(path), str(path.resolve())]
    names += [name.removeprefix("/usr") for name in names if name.startswith("/usr/")]
    return list(dict.fromkeys(names))


async def _first_line(argv: Sequence[str]) -> str:
    """Return the first line of the output; "" if it failed or the node has no such program."""
    return first_line(await _output(argv))


async def _output(argv: Sequence[str]) -> bytes:
    try:
        done = await child.run(argv, timeout=PACKAGE_S)
    except ToolFailed:
        return b""
    return b"" if done.returncode else done.stdout
