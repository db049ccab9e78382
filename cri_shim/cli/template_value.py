"""The values of a template: `.a.b`, `$.a`, texts, numbers, pipes, parentheses and FUNCTIONS.

They are printed as Go prints them. A field that is not there is `<no value>`. Control characters
of a value are printed as escapes: it may come from a tenant or an image.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.cli.exit_codes import UsageError
from cri_shim.untrusted import printable

MAX_DEPTH = 20  # parentheses within each other
MAX_VALUE = 1 << 20  # characters of one printed value

MISSING = object()  # a field that is not there

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+\b)'
    r"|(?P<path>\$?(?:\.[A-Za-z_]\w*)+|\.|\$(?!\w))|(?P<word>[A-Za-z]\w*)|(?P<sign>[|()]))"
)


@dataclass(frozen=True, slots=True)
class Scope:
    dot: Any
    root: Any  # $


@dataclass(frozen=True, slots=True)
class Path:
    from_root: bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Function:
    name: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each the last argument of the next; a command is a function and its arguments."""

    commands: tuple[tuple["Operand", ...], ...]


Operand = Path | Literal | Function | Pipeline


def parse(text: str) -> Pipeline:
    """Return the pipeline of the inside of braces."""
    tokens = _tokens(text)
    pipeline, rest = _pipeline(tokens, 0)
    if rest:
        raise UsageError(f"template: ) without ( in {text}")
    return pipeline


def value(pipeline: Pipeline, scope: Scope) -> Any:
    """Return the value of a pipeline."""
    piped: tuple[Any, ...] = ()
    for first, *others in pipeline.commands:
        if isinstance(first, Function):
            arguments = [*(_operand(one, scope) for one in others), *piped]
            piped = (_called(first.name, arguments),)
        elif others or piped:
            raise UsageError("template: a value takes no arguments; is a function missing?")
        else:
            piped = (_operand(first, scope),)
    return piped[0]


def true(value: Any) -> bool:
    """Whether Go takes a value for true: it is neither missing, zero nor empty."""
    return value is not MISSING and bool(value)


def items(value: Any) -> Sequence[Any]:
    """Return what `range` goes through: the items of a list, or the values of a map by its keys."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    if isinstance(value, list):
        return value
    raise UsageError(f"template: range needs a list or a map, not {text(value)}")


def text(value: Any) -> str:
    """Return a value as Go prints it."""
    return "\n".join(printable(line, MAX_VALUE) for line in _go(value).split("\n"))


def _go(value: Any) -> str:
    if value is MISSING:
        return "<no value>"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    return str(value)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            what = "variables are" if text[at:].lstrip().startswith("$") else "this is"
            raise UsageError(f"template: {what} not supported: {text[at:].strip()}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found[::-1]  # a stack: the next token is the last


def _pipeline(tokens: list[tuple[str, str]], depth: int) -> tuple[Pipeline, bool]:
    """Parse up to the end or a closing parenthesis; True if there was one."""
    if depth > MAX_DEPTH:
        raise UsageError(f"template: more than {MAX_DEPTH} parentheses within each other")
    commands: list[tuple[Operand, ...]] = []
    command: list[Operand] = []
    closed = False
    while tokens and not closed:
        kind, word = tokens.pop()
        if word == "(" and kind == "sign":
            inner, ended = _pipeline(tokens, depth + 1)
            if not ended:
                raise UsageError("template: ( without )")
            command.append(inner)
        elif kind == "sign":
            closed = word == ")"
            commands.append(tuple(command))
            command = []
        else:
            command.append(_operand_of(kind, word))
    if not closed:
        commands.append(tuple(command))
    if not all(commands):
        raise UsageError("template: a value is missing")
    return Pipeline(tuple(commands)), closed


def _operand_of(kind: str, word: str) -> Operand:
    if kind == "path":
        return Path(word.startswith("$"), tuple(filter(None, word.lstrip("$").split("."))))
    if kind == "number":
        return Literal(int(word))
    if kind == "text":
        return Literal(word[1:-1] if word[0] == "`" else _unquoted(word))
    if word in ("true", "false", "nil"):
        return Literal({"true": True, "false": False, "nil": None}[word])
    if word not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise UsageError(f"template: the function {word} is not supported; there are {known}")
    return Function(word)


def _unquoted(word: str) -> str:
    try:
        return str(json.loads(word))
    except ValueError as e:
        raise UsageError(f"template: {word} has an escape that is not supported") from e


def _operand(operand: Operand, scope: Scope) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    if isinstance(operand, Pipeline):
        return value(operand, scope)
    if isinstance(operand, Function):
        return _called(operand.name, [])
    found = scope.root if operand.from_root else scope.dot
    for name in operand.names:
        found = found.get(name, MISSING) if isinstance(found, dict) else MISSING
    return found


def _called(name: str, arguments: list[Any]) -> Any:
    try:
        return FUNCTIONS[name](*arguments)
    except (AttributeError, TypeError, ValueError, LookupError) as e:
        given = " ".join(map(text, arguments))
        raise UsageError(f"template: {name} does not take these arguments: {given}") from e


def _index(found: Any, *keys: Any) -> Any:
    for key in keys:
        found = found.get(key, MISSING) if isinstance(found, dict) else found[key]
    return found


def _and(*values: Any) -> Any:
    return next((value for value in values if not true(value)), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if true(value)), values[-1])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": lambda one: json.dumps(None if one is MISSING else one),
    "len": lambda one: 0 if one is MISSING else len(one),
    "index": _index,
    "join": lambda parts, between: between.join(map(text, parts)),
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, other: first != other,
    "not": lambda one: not true(one),
    "and": _and,
    "or": _or,
    "lower": lambda one: text(one).lower(),
    "upper": lambda one: text(one).upper(),
}
