"""Unit tests mirror the modules: tests/unit/PACKAGE has a file that imports or names the module.

Use cases do little but call drivers, so their tests are in the integration ring, with the real
programs. without_unit_test.txt has the other exceptions, most of which need root or a program. A
module with a unit test must leave that list: it only becomes shorter.
"""

import ast
from pathlib import Path

import cri_shim

ROOT = Path(cri_shim.__path__[0])
TESTS = Path(__file__).parents[1]

# The verbs of the runtime, what joins drivers to it, and the commands.
USE_CASES = {"assembly", "cli", "containers", "images", "library", "pods", "report", "reset"}
WITHOUT = set(Path(__file__).with_name("without_unit_test.txt").read_text().split())


def _modules() -> set[str]:
    """Return the dotted paths below cri_shim, without pages, generated code and `__main__`."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return {
        ".".join(path.with_suffix("").parts)
        for path in paths
        if path.parts[0] != "pb" and not path.stem.startswith("__") and "_pb2" not in path.stem
    }


def _imported(file: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports, also by a name that a package's page has."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cri_shim"):
            source = (node.module or "").removeprefix("cri_shim").removeprefix(".")
            names = {alias.name for alias in node.names}
            found |= {source, *(f"{source}.{name}".removeprefix(".") for name in names)} & modules
            page = ROOT.joinpath(*source.split(".")) / "__init__.py"
            if page.exists() and file != page:
                found |= _from_page(page, names) & modules
    return found


def _from_page(page: Path, names: set[str]) -> set[str]:
    """Return the modules from which the page of a package imports these names."""
    return {
        node.module.removeprefix("cri_shim.")
        for node in ast.parse(page.read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module
        if names & {alias.name for alias in node.names}
    }


def _tested(modules: set[str]) -> set[str]:
    """Return the modules that a test of their own package imports, or has in its name."""
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        package = file.relative_to(TESTS).parts[0]
        own = {module for module in modules if module.split(".")[0] == package}
        name = f"{file.stem}_"
        found |= _imported(file, own)
        found |= {one for one in own if name.startswith(f"test_{one.replace('.', '_')}_")}
    return found


def test_every_module_has_a_unit_test_or_a_reason_for_none() -> None:
    modules = _modules()
    without = {module for module in modules if module.split(".")[0] not in USE_CASES}
    assert without - _tested(modules) - WITHOUT == set()


def test_the_list_of_modules_without_a_unit_test_becomes_shorter() -> None:
    modules = _modules()
    assert WITHOUT - modules == set()
    assert WITHOUT & _tested(modules) == set()
    assert {module for module in WITHOUT if module.split(".")[0] in USE_CASES} == set()
