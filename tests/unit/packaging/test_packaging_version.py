"""The version of a build from a checkout: the tag's, or one before the next release."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cri_shim import __version__

TOP = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    for name in ("hack/version", "cri_shim/version.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(TOP / name, tmp_path / name)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "first")
    return tmp_path


def git(checkout: Path, *words: str) -> str:
    command = ["git", "-C", str(checkout), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def version(checkout: Path) -> str:
    command = [checkout / "hack/version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["v9.8.7"], "9.8.7"),
        (["v9.8.7rc1"], "9.8.7rc1"),
        (["v9.8.7", "v9.8.10", "nightly", "v10"], "9.8.10"),
    ],
)
def test_a_tagged_commit_has_the_version_of_its_highest_tag(
    checkout: Path, tags: list[str], expected: str
) -> None:
    for tag in tags:
        git(checkout, "tag", tag)
    assert version(checkout) == expected


@pytest.mark.parametrize("tags", [[], ["nightly", "v10", "9.8.7"]])
def test_a_commit_without_a_version_tag_has_a_development_version(
    checkout: Path, tags: list[str]
) -> None:
    for tag in tags:
        git(checkout, "tag", tag)
    commit = git(checkout, "rev-parse", "--short", "HEAD")
    assert version(checkout) == f"{__version__}.dev1+g{commit}"


def test_changed_files_are_not_the_tagged_version(checkout: Path) -> None:
    git(checkout, "tag", "v9.8.7")
    with (checkout / "cri_shim/version.py").open("a") as module:
        module.write("# changed\n")
    assert re.fullmatch(rf"{__version__}\.dev1\+g[0-9a-f]+\.changed", version(checkout))


def test_without_a_repository_of_its_own_the_commit_is_unknown(checkout: Path) -> None:
    git(checkout, "tag", "v9.8.7")
    inner = checkout / "vendor"
    for name in ("hack", "cri_shim"):
        shutil.copytree(checkout / name, inner / name)
    assert version(inner) == f"{__version__}.dev0+unknown"
