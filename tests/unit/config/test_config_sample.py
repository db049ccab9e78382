"""deploy/config.toml is complete: it has every key with its default."""

import re
from pathlib import Path

from cri_shim.config import Config, Places, load
from cri_shim.config.schema import HANDLER_KEYS, KEYS

SAMPLE = Path(__file__).parents[3] / "deploy" / "config.toml"
NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())


def test_the_unchanged_sample_sets_nothing() -> None:
    assert set(load(SAMPLE, places=NOWHERE).origin.values()) == {"default"}


def test_the_sample_with_all_keys_enabled_has_every_default(tmp_path: Path) -> None:
    all_in = re.sub(r"^#(?! |$)|^#(?=    )", "", SAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "c.toml").write_text(all_in)
    config = load(tmp_path / "c.toml", places=NOWHERE)
    assert [name for name in KEYS if config.origin[name] == "default"] == []
    assert (config.server, config.network, config.image) == (
        Config().server,
        Config().network,
        Config().image,
    )
    assert (config.runtime_path, config.runtimes) == (Config().runtime_path, Config().runtimes)


def test_every_key_is_explained(tmp_path: Path) -> None:
    text = SAMPLE.read_text()
    keys = [*KEYS.values(), *(key for name, key in HANDLER_KEYS.items() if name != "path")]
    assert [key.name for key in keys if f"# {key.doc}\n" not in text] == []
