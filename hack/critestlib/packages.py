"""Files of Debian packages, without installing them: some conflict with installed packages.

`busybox` (which searches commands on PATH, as the suite's own does) and `busybox-static` exclude
each other, and `nginx` would start as a service.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Library -> the package that has it, if the machine does not.
_PROVIDERS = {
    "libcrypt.so.1": "libcrypt1",
    "libpcre2-8.so.0": "libpcre2-8-0",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "libz.so.1": "zlib1g",
}


class Packages:
    """Packages unpacked below a directory, one after another into the same tree."""

    def __init__(self, directory: Path) -> None:
        self.tree = directory / "tree"
        self._downloads = directory / "downloads"

    def fetch(self, *names: str) -> None:
        """Download and unpack packages; RuntimeError with apt's message if that fails."""
        self._downloads.mkdir(parents=True, exist_ok=True)
        # `download` has no option for the target directory; as root it warns that it does not
        # change user.
        options = ["-qq", "-o", "APT::Sandbox::User=root"]
        done = _apt([*options, "download", *names], self._downloads)
        if done.returncode:  # the lists may be missing or old
            _apt([*options, "update"], self._downloads)
            done = _apt([*options, "download", *names], self._downloads)
        if done.returncode:
            raise RuntimeError(f"apt-get cannot download {' '.join(names)}: {done.stderr.strip()}")
        for archive in self._downloads.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, self.tree], check=True)
            archive.unlink()

    def file(self, path: str) -> bytes:
        return (self.tree / path).read_bytes()


def _apt(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def libraries(program: Path) -> dict[str, bytes]:
    """Return the shared libraries of a program, by the absolute path of each."""
    found = dict(_linked(program))
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise RuntimeError(
            f"{program} needs {', '.join(missing)}; install "
            + " ".join(sorted({_PROVIDERS.get(name, name) for name in missing}))
        )
    return {path: Path(path).read_bytes() for path in found.values() if path}


def _linked(program: Path) -> Iterator[tuple[str, str | None]]:
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True)
    yield from parse_ldd(listing.stdout)


def parse_ldd(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield (name, path) of each line of ldd; None for a missing library."""
    for line in text.splitlines():
        if wanted := re.match(r"\s+(\S+) => (/\S+|not found)", line):
            yield wanted[1], None if wanted[2] == "not found" else wanted[2]
        elif loader := re.match(r"\s+(/\S+) \(", line):
            yield loader[1], loader[1]
