"""Checks the arguments of the library's calls: an error names the argument and what it may be.

Types are those of the signatures. A wrong one would otherwise be an error of protobuf, or of the
code that meets it last. What a check does not know, it accepts. Errors of the call itself have the
names of pods and containers in place of their ids.
"""

import difflib
import functools
import inspect
import os
import types
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from cri_shim.activity.error_names import Named, naming_objects
from cri_shim.errors import InvalidArgument
from cri_shim.untrusted import printable

T = TypeVar("T")
Class = TypeVar("Class", bound=type)
Kind = Any  # a type as annotations have it

_NAMES: Mapping[Kind, str] = {
    str: "a text", bool: "True or False", int: "a whole number", float: "a number",
    os.PathLike: "a path", types.NoneType: "None",
}  # fmt: skip


def checked(cls: Class) -> Class:
    """Class decorator: the public methods check their arguments, and name objects in errors.

    A method `_named` of the class finds the names: see `activity.error_names`.
    """
    for name, member in list(vars(cls).items()):
        if name.startswith("_") or not isinstance(member, types.FunctionType | classmethod):
            continue
        if isinstance(member, classmethod):
            setattr(cls, name, classmethod(_checking(member.__func__)))
        else:
            setattr(cls, name, _checking(member))
    return cls


def _checking(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        known = _kinds(function)
        for word in kwargs:
            if word not in known:
                raise InvalidArgument("", _unknown(function.__name__, word, known))
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            _look(signature.parameters[name].kind, name, value, known)
        named = getattr(args[0], "_named", _unnamed)
        with naming_objects(named):
            made = function(*args, **kwargs)
        return _naming(made, named) if inspect.iscoroutine(made) else made

    return check


async def _naming(call: Awaitable[T], named: Named) -> T:
    with naming_objects(named):
        return await call


def _unnamed(kind: str, id: str) -> None:
    """Find no name: the class has no objects."""


@functools.cache
def _kinds(function: Callable[..., Any]) -> Mapping[str, Kind]:
    """Return the kind of each argument, also of those of an unpacked TypedDict."""
    hints = typing.get_type_hints(function)
    found: dict[str, Kind] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= typing.get_type_hints(typing.get_args(hints[name])[0])
        else:
            found[name] = hints.get(name, Any)
    return found


def _look(how: Any, name: str, value: Any, known: Mapping[str, Kind]) -> None:
    if how is inspect.Parameter.VAR_KEYWORD:
        for word, each in value.items():
            require(word, each, known[word])
    elif how is inspect.Parameter.VAR_POSITIONAL:
        for each in value:
            require(name, each, known[name])
    else:
        require(name, value, known[name])


def require(name: str, value: object, kind: Kind) -> None:
    """Raise InvalidArgument if a value is not of a kind."""
    if not _fits(value, kind):
        text = f"{printable(repr(value), 80)} is not {_described(kind)}"
        raise InvalidArgument(name, text)


def _unknown(call: str, word: str, known: Mapping[str, Kind]) -> str:
    names = [name for name in known if name != "self"]
    near = difflib.get_close_matches(word, names, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
    return f"{call} has no argument {word}{hint}"


def _parts(kind: Kind) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(kind), typing.get_args(kind)


def _fits(value: object, kind: Kind) -> bool:
    origin, inner = _parts(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is os.PathLike:
        return isinstance(value, os.PathLike)
    if origin is Sequence:
        listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return listed and all(_fits(one, inner[0]) for one in typing.cast("Any", value))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items()
        )
    if origin is Callable:
        return callable(value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(kind, type) or kind.__module__ == "typing":
        return True  # such as BinaryIO, whose methods count and not its class
    return isinstance(value, kind)


def _described(kind: Kind) -> str:
    origin, inner = _parts(kind)
    if origin in (typing.Union, types.UnionType):
        names = dict.fromkeys(map(_described, inner))
        if "a path" in names:
            names.pop("a text", None)
        names.pop("None", None)
        return " or ".join(names)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is Sequence:
        return f"a list, each {_described(inner[0])}"
    if origin is Mapping:
        return f"a mapping of {_described(inner[0])} to {_described(inner[1])}"
    if origin is Callable:
        return "a function"
    if origin is os.PathLike:
        return "a path"
    return _NAMES.get(kind) or f"of the class {getattr(kind, '__name__', kind)}"
