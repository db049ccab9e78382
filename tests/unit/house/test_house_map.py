"""The map of the packages: it equals the import contract, and every page is complete."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import cri_shim

ROOT = Path(cri_shim.__path__[0])
PAGES = sorted(page for page in ROOT.rglob("__init__.py") if page.parent not in (ROOT, ROOT / "pb"))


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.relative_to(ROOT).as_posix())
def test_the_page_of_a_package_names_every_module(page: Path) -> None:
    text = ast.get_docstring(ast.parse(page.read_text())) or ""
    modules = {
        module.stem
        for module in [*page.parent.glob("*.py"), *(p.parent for p in page.parent.glob("*/*.py"))]
        if not module.stem.startswith("__") and not module.stem.endswith(("_pb2", "_pb2_grpc"))
    }
    missing = {name for name in modules if not re.search(rf"`{name}`", text)}
    assert not missing
