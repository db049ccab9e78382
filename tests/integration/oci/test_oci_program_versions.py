"""Versions and packages of the node's own programs."""

from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.errors import CriShimError, TimedOut
from cri_shim.oci import program_versions
from cri_shim.oci.program_versions import UNKNOWN, Inventory


async def test_conmon_has_a_version_and_a_package() -> None:
    known = Inventory()
    assert (await known.version(Path("/usr/bin/conmon"))).startswith("conmon version ")
    assert (await known.package(Path("/usr/bin/conmon"))).startswith("conmon_")


async def test_the_version_of_a_program_is_queried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Inventory()
    path = Path("/usr/bin/crun")
    first = await known.version(path), await known.package(path)
    monkeypatch.setattr(child, "run", None)
    assert (await known.version(path), await known.package(path)) == first


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_a_file_without_a_package_has_none(tmp_path: Path) -> None:
    assert await Inventory().package(script(tmp_path / "own", "echo own 1")) == UNKNOWN


async def test_rpm_is_queried_where_there_is_no_dpkg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "rpm", 'echo "conmon-2.1.6-1.el9.x86_64 of $3"')
    monkeypatch.setenv("PATH", str(tmp_path))
    path = Path("/usr/bin/conmon")
    assert await Inventory().package(path) == "conmon-2.1.6-1.el9.x86_64 of /usr/bin/conmon"


async def test_a_package_query_that_hangs_times_out_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(tmp_path / "own", "echo own 1")
    known = Inventory()
    with monkeypatch.context() as patched:
        script(tmp_path / "dpkg-query", "exec /bin/sleep 60")
        patched.setenv("PATH", str(tmp_path))
        patched.setattr(program_versions, "PACKAGE_S", 0.2)
        with pytest.raises(TimedOut):
            await known.package(program)
    assert await known.package(program) == UNKNOWN


async def test_a_program_that_fails_or_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CriShimError, match="no such flag"):
        await Inventory().version(script(tmp_path / "bad", "echo no such flag >&2; exit 1"))
    with pytest.raises(OSError, match="missing"):
        await Inventory().version(tmp_path / "missing")
