"""The wheel that pip builds from a tagged checkout, installed in a new environment."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
TAGGED = "9.8.7"

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A new repository with one commit of the files that a wheel needs."""
    clone = tmp_path / "clone"
    for name in ("cri_shim", "hack"):
        shutil.copytree(TOP / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, clone / name)
    run("git", "-C", clone, "init", "-q")
    run("git", "-C", clone, "add", ".")
    author = ("-c", "user.name=test", "-c", "user.email=test@test")
    run("git", "-C", clone, *author, "commit", "-q", "-m", "all")
    return clone


def wheel_of(clone: Path) -> Path:
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index"]
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", clone / "dist", clone)
    (wheel,) = (clone / "dist").glob("*.whl")
    return wheel


def installed(wheel: Path, place: Path) -> Path:
    """The program of the wheel, in an environment that has the libraries of this one."""
    run(sys.executable, "-m", "venv", "--without-pip", place)
    (site,) = place.glob("lib/python3.*/site-packages")
    options = ["-q", "--no-deps", "--no-index", "--no-warn-script-location"]
    run(sys.executable, "-m", "pip", "--python", place / "bin/python", "install", *options, wheel)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return place / "bin/cri-shim"


def test_the_wheel_of_a_tagged_commit_has_its_version_and_runs(clone: Path, tmp_path: Path) -> None:
    run("git", "-C", clone, "tag", f"v{TAGGED}")
    wheel = wheel_of(clone)
    assert wheel.name == f"cri_shim-{TAGGED}-py3-none-any.whl"
    program = installed(wheel, tmp_path / "venv")
    assert run(program, "--version") == f"cri-shim {TAGGED}\n"
    (config := tmp_path / "config.toml").touch()
    shown = run(sys.executable, "-m", "cri_shim", "--config", config, "config")
    assert run(program, "--config", config, "config") == shown


def test_the_wheel_of_a_commit_without_a_tag_has_a_development_version(clone: Path) -> None:
    commit = run("git", "-C", clone, "rev-parse", "--short", "HEAD").strip()
    assert re.fullmatch(rf"cri_shim-.*\.dev\d+\+g{commit}-py3-none-any.whl", wheel_of(clone).name)
