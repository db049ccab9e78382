"""docs/messages.md: every sentence of an error or a warning, from the source.

A sentence is a text in `raise NAME(...)`, in a class or function that makes an error, or in a call
of `_log.warning` and `_log.error`. What is put in when the program runs is `...`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import cri_shim
from cri_shim import errors

ROOT = Path(cri_shim.__path__[0])
_INTRODUCTION = """\
# Messages

The sentences of all errors and warnings, to search in, by the part of the program that has them.
What differs is `...`. [troubleshoot.md](troubleshoot.md) has causes and remedies of those that
operators meet. `hack/docs` writes this page from the source.
"""
_MAKERS = {name for name in vars(errors) if not name.startswith("_")}
_MAKERS |= {"Failure", "Finding", "Problem", "ValueError", "OSError", "TypeError"}
_WHOLE = {"sentences.py", "executable.py"}  # modules that make texts for others to raise
_LEVELS = {"warning", "error", "critical"}
_WORD = re.compile(r"[A-Za-z]{2,}")


def text() -> str:
    """Return the page."""
    found: dict[str, set[str]] = {}
    for file in sorted(ROOT.rglob("*.py")):
        part = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if part != "pb":
            tree = ast.parse(file.read_text())
            texts = all_texts(tree) if file.name in _WHOLE else sentences(tree)
            found.setdefault(part, set()).update(texts)
    parts = [_INTRODUCTION]
    for part, lines in sorted(found.items()):
        if lines:
            parts += [f"## {part}\n", "".join(f"- {_code(line)}\n" for line in sorted(lines))]
    return "\n".join(parts)


def _code(sentence: str) -> str:
    fence = "``" if "`" in sentence else "`"
    return f"{fence}{sentence}{fence}"


def sentences(tree: ast.AST) -> Iterator[str]:
    """Yield the sentences of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _makes(node.func):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from _texts(argument)


def all_texts(tree: ast.Module) -> Iterator[str]:
    """Yield all sentences of a module but those of docstrings."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        for part in (node.values if isinstance(node, ast.JoinedStr) else [])
    }
    inside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in inside:
            yield from _texts(node)


def _makes(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr in _MAKERS or function.attr in _LEVELS
    return isinstance(function, ast.Name) and function.id in _MAKERS


def _texts(node: ast.expr) -> Iterator[str]:
    for part in _parts(node):
        sentence = " ".join(part.split())
        if len(_WORD.findall(sentence)) > 1:
            yield sentence


def _parts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _parts(node.body)
        yield from _parts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%[sdrg]|%\.?[0-9]*f", "...", node.value)
    elif isinstance(node, ast.JoinedStr):
        values = (v.value if isinstance(v, ast.Constant) else "..." for v in node.values)
        yield "".join(map(str, values))
