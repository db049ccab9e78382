"""A key that operators look for is refused with the reason and with what there is."""

from pathlib import Path

import pytest

from cri_shim.config import Places, load
from cri_shim.config.absent import ABSENT
from cri_shim.config.schema import KEYS
from cri_shim.errors import ConfigError


@pytest.mark.parametrize("key", ABSENT)
def test_the_reason_is_told_with_the_line(key: str, tmp_path: Path) -> None:
    table, _, name = key.rpartition(".")
    file = tmp_path / "c.toml"
    file.write_text(f"[{table}]\n{name} = 5\n")
    with pytest.raises(ConfigError) as refused:
        load(file, places=Places(drop_ins=tmp_path / "none"))
    assert str(refused.value) == f"{file}:2: unknown key {key}: {ABSENT[key]}"


def test_no_such_key_is_there_after_all() -> None:
    assert ABSENT.keys() & KEYS.keys() == set()
