"""Packages of programs: a path that is none is never asked for."""

from pathlib import Path

import pytest

from cri_shim.oci import program_versions
from cri_shim.oci.program_versions import UNKNOWN, Inventory


async def test_an_empty_path_belongs_to_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def ask(argv: object) -> bytes:
        asked.append(argv)
        return b"somebody: /usr/share/x.."

    monkeypatch.setattr(program_versions, "_output", ask)
    assert await Inventory().package(Path()) == UNKNOWN
    assert asked == []
