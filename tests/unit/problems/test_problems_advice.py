"""Advice: a key that others may read, and sessions over the network without TLS."""

from dataclasses import replace
from pathlib import Path

from cri_shim.config import Config
from cri_shim.problems import advice


def test_a_readable_key_and_an_open_address_are_warned_of(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("")
    key.chmod(0o644)
    config = Config()
    config = replace(
        config, streaming=replace(config.streaming, address="192.0.2.1", tls_key_file=str(key))
    )
    found = [each.text for each in advice.of_places(config)]
    assert f"streaming.tls_key_file: others may read {key}: chmod 600" in found
    assert any(text.startswith("streaming.address: 192.0.2.1 can be reached") for text in found)
