"""Wrong words and types of the library's calls are named, with what they may be."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypedDict, Unpack

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.library.arguments import checked


class _Words(TypedDict, total=False):
    labels: Mapping[str, str]
    tty: bool


@checked
class _Thing:
    def run(self, command: Sequence[str], *, seconds: float = 0, **words: Unpack[_Words]) -> str:
        """Run it."""
        return f"{command} {seconds} {words}"

    def write(self, to: str | os.PathLike[str] | None, *names: str) -> str:
        return f"{to} {names}"

    def choose(self, which: Literal["a", "b"], number: int, then: Callable[[], None]) -> str:
        return f"{which} {number} {then}"

    def free(self, to: BinaryIO, anything: Any, later: "Sequence[int]") -> bool:
        return bool(to or anything or later)

    @classmethod
    def made(cls, name: str) -> "_Thing":
        assert name
        return cls()


def test_right_arguments_pass_and_the_call_keeps_its_description() -> None:
    assert _Thing.made("x").run(["a"], seconds=1, tty=True).startswith("['a'] 1 {'tty'")
    assert _Thing().write(Path("/x"), "a", "b") == "/x ('a', 'b')"
    assert _Thing().write(None) == "None ()"
    assert _Thing().choose("a", 1, print).startswith("a 1")
    assert _Thing().free(3, object(), [1])  # type: ignore[arg-type]
    assert _Thing.run.__doc__ == "Run it."


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.run("ls"), "command: 'ls' is not a list, each a text"),
        (lambda t: t.run(["ls", 1]), "command: ['ls', 1] is not a list, each a text"),
        (lambda t: t.run([], seconds="1"), "seconds: '1' is not a number"),
        (lambda t: t.run([], secods=1), "run has no argument secods; did you mean seconds?"),
        (lambda t: t.run([], label={}), "run has no argument label; did you mean labels?"),
        (
            lambda t: t.run([], xyz=1),
            "run has no argument xyz; there are command, seconds, labels, tty",
        ),
        (lambda t: t.run([], tty=1), "tty: 1 is not True or False"),
        (
            lambda t: t.run([], labels={"a": 1}),
            "labels: {'a': 1} is not a mapping of a text to a text",
        ),
        (lambda t: t.write(3), "to: 3 is not a path"),
        (lambda t: t.write("x", 3), "names: 3 is not a text"),
        (lambda t: t.choose("c", 1, print), "which: 'c' is not one of a, b"),
        (lambda t: t.choose("a", True, print), "number: True is not a whole number"),
        (lambda t: t.choose("a", 1, 2), "then: 2 is not a function"),
        (lambda t: t.made(None), "name: None is not a text"),
        (lambda t: t.free(1, 2, "x"), "later: 'x' is not a list, each a whole number"),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_may_be(
    call: Callable[[Any], object], text: str
) -> None:
    with pytest.raises(InvalidArgument) as e:
        call(_Thing())

    assert str(e.value) == text


def test_a_missing_argument_is_python_s_error() -> None:
    with pytest.raises(TypeError, match="command"):
        _Thing().run()  # type: ignore[call-arg]


CONTAINER = "7d" * 32


@checked
class _Named:
    def _named(self, kind: str, id: str) -> str | None:
        return "container default/web/main (7d7d7d7d7d7d)" if id == CONTAINER else None

    def at_once(self) -> None:
        raise WrongState(f"container {CONTAINER} is paused already")

    async def later(self) -> None:
        raise WrongState(f"container {CONTAINER} is paused already")


async def test_an_error_of_a_call_has_the_names_of_objects() -> None:
    wanted = r"^container default/web/main \(7d7d7d7d7d7d\) is paused already$"

    with pytest.raises(WrongState, match=wanted):
        _Named().at_once()
    with pytest.raises(WrongState, match=wanted):
        await _Named().later()
