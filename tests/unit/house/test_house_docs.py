"""What docs/ and the README show is true: links, commands, configuration keys, and sentences."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

import cri_shim
from cri_shim.cli.command_line import parser
from cri_shim.config import load
from cri_shim.config.load import Places
from hack.docslib.messages_page import all_texts

TOP = Path(cri_shim.__path__[0]).parent
PAGES = [TOP / "README.md", TOP / "SECURITY.md", *sorted((TOP / "docs").glob("*.md"))]
NAMES = [page.relative_to(TOP).as_posix() for page in PAGES]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"^    (?:sudo |[a-z]+=\$\()?(cri-shim .*?)\)?$", re.MULTILINE)
_BLOCK = re.compile(r"(?:^    .*\n|^\n)+", re.MULTILINE)
_PLACEHOLDER = re.compile(r"[A-Z]{2,}[A-Z_]*(?::[A-Z]+)?")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file(name: str) -> None:
    page = TOP / name
    missing = [
        link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one_of_the_command_line(name: str) -> None:
    """Each line that begins with `cri-shim` is parsed; nothing is run."""
    wrong = []
    for line in _COMMAND.findall((TOP / name).read_text()):
        words = shlex.split(line.split("  #")[0].replace("[", "").replace("]", ""), comments=True)
        words = words[
            1 : next((n for n, w in enumerate(words) if w in (">", "|", ";", "&&")), None)
        ]
        try:
            parser().parse_args(words)
        except SystemExit:
            wrong.append(line)

    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_configuration_is_valid(name: str, tmp_path: Path) -> None:
    """A block that begins with a table of cri-shim's configuration is read as a file of it."""
    file = tmp_path / "config.toml"
    for block in _BLOCK.findall((TOP / name).read_text()):
        if re.match(r"\n*    \[[a-z]+(\.[a-z]+)?\]", block):
            file.write_text(re.sub("^    ", "", block, flags=re.MULTILINE))
            load(file, places=Places(drop_ins=tmp_path / "none"))


@cache
def _source() -> frozenset[str]:
    trees = (ast.parse(file.read_text()) for file in Path(cri_shim.__path__[0]).rglob("*.py"))
    return frozenset(text for tree in trees for text in all_texts(tree))


def _quoted() -> list[str]:
    rows = re.findall(r"^\| `([^`]+)` \|", (TOP / "docs/troubleshoot.md").read_text(), re.MULTILINE)
    return [row for row in rows if " " in row]


@pytest.mark.parametrize("sentence", _quoted())
def test_every_sentence_of_the_page_on_troubles_is_in_the_source(sentence: str) -> None:
    pattern = ".*".join(map(re.escape, _PLACEHOLDER.split(sentence)))

    assert any(re.search(pattern, text) for text in _source())
