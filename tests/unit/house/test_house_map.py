"""The map of the packages says what the import contract says."""

import re
import tomllib
from pathlib import Path

import cri_shim

ROOT = Path(cri_shim.__path__[0])


def _storeys() -> list[set[str]]:
    """The layers of the contract, top down; the names of one layer do not import each other."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())
    contract = project["tool"]["importlinter"]["contracts"][0]
    assert contract["exhaustive"]
    return [set(layer.split(" | ")) for layer in contract["layers"]]


def _map() -> list[str]:
    """The names of the map, top down."""
    return re.findall(r"^    ([a-z_]+)  +[A-Za-z]", cri_shim.__doc__ or "", re.MULTILINE)


def test_the_map_has_the_order_of_the_contract() -> None:
    storeys = [storey - {"__main__"} for storey in _storeys()]
    storeys = [storey for storey in storeys if storey]
    names = iter(_map())
    for storey in storeys:
        assert {next(names) for _ in storey} == storey
    assert list(names) == []
