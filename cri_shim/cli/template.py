"""Fills a template of Go's text/template: the part that users of crictl and podman write.

Supported are fields and functions (see `template_value`), `range`, `if`, `with`, `else`,
`else if`, `end`, comments, and the trimming of spaces by `{{-` and `-}}`. `\\n` and `\\t` outside
of braces are a line feed and a tab, as podman has them. Everything else is refused by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cri_shim.cli import template_value
from cri_shim.cli.exit_codes import UsageError
from cri_shim.cli.template_value import Pipeline, Scope

MAX_TEMPLATE = 1 << 16  # characters
MAX_DEPTH = 20  # blocks within each other
MAX_OUTPUT = 1 << 26  # characters: nested ranges multiply

_PIECE = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r"[a-z]+\b|/\*")
_ESCAPES = {r"\n": "\n", r"\t": "\t"}
_BLOCKS = ("range", "if", "with")
_REFUSED = ("define", "template", "block", "break", "continue")


@dataclass(slots=True)
class Block:
    """A range, if or with; `otherwise` is what follows its else."""

    kind: str
    of: Pipeline
    body: list["Node"] = field(default_factory=list)
    otherwise: list["Node"] = field(default_factory=list)
    chained: bool = False  # an `else if`: the end of the block around it ends it, too


Node = str | Pipeline | Block


def filled(template: str, document: Any) -> str:
    """Return the template with values of `document`. UsageError if it is wrong."""
    parts: list[str] = []
    length = 0
    for part in _written(parse(template), Scope(document, document)):
        parts.append(part)
        length += len(part)
        if length > MAX_OUTPUT:
            raise UsageError(f"the output of the template exceeds {MAX_OUTPUT} characters")
    return "".join(parts)


def parse(template: str) -> list[Node]:
    """Return the nodes of a template. UsageError if it is wrong or needs what is not supported."""
    if len(template) > MAX_TEMPLATE:
        raise UsageError(f"a template may have {MAX_TEMPLATE} characters")
    nodes: list[Node] = []
    open_blocks: list[Block] = []
    here = nodes
    for piece, code in _pieces(template):
        if not code:
            here.append(piece)
            continue
        match = _WORD.match(piece)
        word = match[0] if match else ""
        rest = piece[len(word) :].strip()
        if word == "/*":
            continue
        if word in _BLOCKS:
            block = Block(word, template_value.parse(rest))
            here.append(block)
            open_blocks.append(block)
            here = block.body
        elif word == "else":
            here = _else(open_blocks, rest)
        elif word == "end":
            _end(open_blocks)
            here = _target(open_blocks[-1]) if open_blocks else nodes
        elif word in _REFUSED:
            raise UsageError(f"template: {word} is not supported")
        else:
            here.append(template_value.parse(piece))
        if len(open_blocks) > MAX_DEPTH:
            raise UsageError(f"template: more than {MAX_DEPTH} blocks within each other")
    if open_blocks:
        raise UsageError(f"template: {open_blocks[-1].kind} has no end")
    return nodes


def _pieces(template: str) -> Iterator[tuple[str, bool]]:
    """Yield texts and the insides of braces; the second value tells that it is an inside."""
    at, trim = 0, False
    for match in _PIECE.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if trim else text
        yield _unescaped(text.rstrip() if match[1] else text), False
        yield match[2].strip(), True
        at, trim = match.end(), bool(match[3])
    text = template[at:]
    if "{{" in text:
        raise UsageError("template: {{ has no }}")
    yield _unescaped(text.lstrip() if trim else text), False


def _unescaped(text: str) -> str:
    return re.sub(r"\\[nt]", lambda match: _ESCAPES[match[0]], text)


def _else(open_blocks: list[Block], rest: str) -> list[Node]:
    if not open_blocks:
        raise UsageError("template: else without if, range or with")
    block = open_blocks[-1]
    if _target(block) is not block.body:
        raise UsageError("template: a second else")
    if not rest:
        block.otherwise.append("")  # marks that the else was there
        return block.otherwise
    kind, _, condition = rest.partition(" ")
    if kind not in ("if", "with"):
        raise UsageError(f"template: else {kind} is not supported")
    chained = Block(kind, template_value.parse(condition), chained=True)
    block.otherwise.append(chained)
    open_blocks.append(chained)
    return chained.body


def _end(open_blocks: list[Block]) -> None:
    if not open_blocks:
        raise UsageError("template: end without if, range or with")
    while open_blocks.pop().chained:
        pass


def _target(block: Block) -> list[Node]:
    return block.otherwise or block.body


def _written(nodes: list[Node], scope: Scope) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Block):
            yield from _block(node, scope)
        else:
            yield template_value.text(template_value.value(node, scope))


def _block(block: Block, scope: Scope) -> Iterator[str]:
    value = template_value.value(block.of, scope)
    if not template_value.true(value):
        yield from _written(block.otherwise, scope)
    elif block.kind == "range":
        for item in template_value.items(value):
            yield from _written(block.body, Scope(item, scope.root))
    else:
        inner = Scope(value, scope.root) if block.kind == "with" else scope
        yield from _written(block.body, inner)
