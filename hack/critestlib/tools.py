"""Finds the programs of the suites, and makes the copy with another digest."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

TOOLS = Path(".tools/bin")
# The digest of test-image-digest in its public registry.
FOREIGN_DIGEST = "sha256:9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf"
GINKGO = "github.com/onsi/ginkgo/v2/ginkgo@v2.32.0"  # as in the go.mod of cri-tools
RUNC = "github.com/opencontainers/runc@v1.5.2"  # newer than those of distributions


def critest() -> Path:
    """Return $CRITEST, critest of PATH, or the release; SystemExit if there is none."""
    found = named("CRITEST", "critest")
    if found is None:
        subprocess.run(["hack/tools/cri-tools", TOOLS], check=False)
        found = TOOLS / "critest"
    if not found.exists():
        raise SystemExit("critest: needs critest: set CRITEST to it, or put it on PATH")
    return found


def ginkgo() -> Path:
    """Return $GINKGO, ginkgo of PATH, or build it from its module; SystemExit if that fails."""
    found = named("GINKGO", "ginkgo") or _of_module("ginkgo", GINKGO)
    if found is None:
        raise SystemExit("critest: --parallel needs ginkgo: set GINKGO to it, or put it on PATH")
    return found


def newer_runc() -> Path | None:
    """Build runc from its module; None without Go, or without the headers of libseccomp."""
    return _of_module("runc", RUNC, "-tags", "seccomp")


def crictl_tests(source: str | None) -> Path | None:
    """Return crictl's own tests: $CRICTL_E2E, crictl-e2e of PATH, or built from a cri-tools tree.

    The tree is `source` or $CRI_TOOLS_SOURCE; nothing is downloaded. None if there is no tree.
    """
    found = named("CRICTL_E2E", "crictl-e2e")
    source = source or os.environ.get("CRI_TOOLS_SOURCE")
    if found is None and source and shutil.which("go"):
        TOOLS.mkdir(parents=True, exist_ok=True)
        found = (TOOLS / "crictl-e2e").resolve()
        go = ["go", "test", "-c", "-o", str(found), "./test/e2e"]
        if subprocess.run(go, cwd=source, check=False).returncode:
            return None
    return found


def _of_module(program: str, module: str, *flags: str) -> Path | None:
    """Return a program that `go install` has made, now or earlier."""
    target = TOOLS.resolve()
    if not (target / program).exists() and shutil.which("go"):
        go = ["go", "install", *flags, module]
        subprocess.run(go, env=os.environ | {"GOBIN": str(target)}, check=False)
    return target / program if (target / program).exists() else None


def named(variable: str, program: str) -> Path | None:
    """Return the program of an environment variable, or else the one of PATH."""
    path = os.environ.get(variable) or shutil.which(program)
    return Path(path).resolve() if path else None


def with_digest(program: Path, digest: str, target: Path) -> bool:
    """Copy `program` with the foreign digest replaced by `digest`.

    Return False if the program does not have the digest; the copy is then identical.
    """
    data = program.read_bytes()
    old, new = FOREIGN_DIGEST.encode(), digest.encode()
    if len(old) != len(new):
        raise ValueError(f"{digest} is no sha256 digest")
    target.write_bytes(data.replace(old, new))
    target.chmod(0o755)
    return old in data


def version(program: str | Path, *arguments: str) -> str:
    """Return the first word with a digit that a program prints as its version, or "unknown"."""
    done = subprocess.run(
        [program, *(arguments or ["--version"])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return version_in(done.stdout)


def version_or_sum(program: Path) -> str:
    """Return the version; for a program built without one, the beginning of its SHA-256 sum."""
    told = version(program)
    if told != "unknown":
        return told
    return f"without version, SHA-256 {hashlib.sha256(program.read_bytes()).hexdigest()[:12]}"


def version_in(text: str) -> str:
    found = re.search(r"\bv?(\d+\.\d[\w.+~-]*)", text)
    return found[1] if found else "unknown"
