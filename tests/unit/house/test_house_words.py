"""Plain technical English: phrases that nobody searches for are refused, with the ones to use.

Looked at are the texts of the program and of its help, its docstrings, the documentation, and files
for operators.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cri_shim
from hack.docslib.messages_page import all_texts

TOP = Path(cri_shim.__path__[0]).parent
PLACES = ("README.md", "SECURITY.md", "docs/*.md", "deploy/*", "deploy/debian/*", "hack/*")

REFUSED = {
    r"keeps no log\b": "has no log file",
    r"(?<!there )\bis no (id|socket|tar archive|file|directory)\b": "is not ...",
    r"\bcontainers go on\b": "containers keep running",
    r"an earlier daemon left at work": "left by the previous daemon",
    r"What became of\b": "Coming from",
    r"\bgrandchild of\b": "the plain relation",
    r"pass on our input": "keep stdin open",
    r"\bids alone\b": "only full IDs",
    r"(?i)\bordinary user": "unprivileged user",
    r"what teaches\b": "a completion script",
    r"until it is told to\b": "run the daemon",
    r"says of itself": "show the state of",
    r"also what runs": "stop running ones first",
    r"if it brings none": "that has none",
    r"say only whether": "validate",
    r"configuration is right": "configuration is valid",
    r"whom (they|it)\b": "which match",
    r"all that is known of": "details of",
    r"until it is cut\b": "maximum size",
    r"(?i)\bour own\b": "built-in, bundled, the daemon's",
    r"\bwhom\b": "who, which",
    r"\b(go|goes) on\b": "continue",
    r"\bat work\b": "running",
    r"\bmend(s|ed)?\b": "repair, correct, fix",
    r"\bfor ever\b": "forever",
    r"\b(opened|packed|read|made) anew\b": "again",
    r"\bnobody (can|reads|takes|to)\b": "no client, no reader",
    r"what came\b": "the received content",
    r"what must not survive": "deleted at reboot",
}


def texts() -> Iterator[tuple[str, str]]:
    for file in Path(cri_shim.__path__[0]).rglob("*.py"):
        name = file.relative_to(TOP).as_posix()
        tree = ast.parse(file.read_text())
        yield from ((name, text) for text in [*all_texts(tree), *docstrings(tree)])
    for place in PLACES:
        for file in TOP.glob(place):
            if file.is_file():
                yield file.relative_to(TOP).as_posix(), " ".join(file.read_text().split())


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield " ".join((ast.get_docstring(node) or "").split())


@pytest.fixture(scope="module")
def everything() -> list[tuple[str, str]]:
    return list(texts())


@pytest.mark.parametrize("phrase", REFUSED)
def test_a_refused_phrase_is_nowhere(phrase: str, everything: list[tuple[str, str]]) -> None:
    found = [
        f"{name}: {text[max(0, match.start() - 30) : match.end() + 30]}"
        for name, text in everything
        if (match := re.search(phrase, text)) is not None
    ]

    assert found == [], f"write: {REFUSED[phrase]}"
