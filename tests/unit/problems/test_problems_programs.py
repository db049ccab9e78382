"""Programs: what is missing, what it is needed for, and how to get it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.problems import Level, programs


def test_missing_programs_have_the_level_of_what_cannot_be_done_without_them() -> None:
    config = Config(conmon_path=("/no/conmon",), init_path=("/no/catatonit",))
    config = replace(config, image=replace(config.image, skopeo_path=("/no/skopeo",)))

    found = {each.what: each for each in programs.look(config)}

    levels = {name: found[name].level for name in ("conmon", "skopeo", "catatonit")}
    expected = {"conmon": Level.FAILS, "skopeo": Level.NOTE, "catatonit": Level.WARNING}
    assert levels == expected
    assert found["conmon"].sentence == "no conmon found; tried: /no/conmon: no pod can run"
    assert found["conmon"].remedy.endswith(", or set conmon_path")
    assert (found["conmon"].package, found["conmon"].key) == ("conmon", "conmon_path")


def test_a_program_that_others_may_change_is_named_with_its_reason(tmp_path: Path) -> None:
    conmon = tmp_path / "conmon"
    conmon.write_text("#!/bin/sh\n")
    conmon.chmod(0o757)

    found = programs.conmon(Config(conmon_path=(str(conmon),)))

    assert found.level is Level.FAILS

    assert f"everybody may write to {conmon}: chmod o-w" in found.text


def test_a_node_without_nft_and_iptables_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)

    (found,) = [each for each in programs.look(Config()) if each.what == "masquerading"]

    assert found.level is Level.WARNING
    assert found.text.startswith("neither nft nor iptables is installed: pods of the network")
    assert found.package == "nftables"


def test_a_network_of_others_needs_no_masquerading_of_ours() -> None:
    config = Config()
    config = replace(config, network=replace(config.network, bundled=False))
    assert "masquerading" not in {each.what for each in programs.look(config)}
