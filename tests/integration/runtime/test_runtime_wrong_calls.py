"""Every call of the library with a wrong argument: an error of ours, in plain words."""

import inspect
import typing
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cri_shim import Auth, Container, Image, Pod, Runtime, options
from cri_shim.errors import CriShimError
from tests.fixtures import busybox
from tests.fixtures.foreign_words import foreign
from tests.fixtures.library import Place

WRONG = (3, "", "no such/thing\x1b[31m\n", b"x", {"a": object()}, [None], object())
# The calls that end the runtime, or that succeed with these values.
LEFT_OUT = {"shutdown", "serve", "stop"}


def calls(of: type) -> Iterator[tuple[str, inspect.Signature]]:
    for name, member in inspect.getmembers(of):
        if not name.startswith("_") and callable(member) and name not in LEFT_OUT:
            yield name, inspect.signature(member)


def arguments(signature: inspect.Signature) -> Iterator[str]:
    """Yield each argument of a call; the one of *NAME with its star."""
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            yield from typing.get_type_hints(typing.get_args(parameter.annotation)[0])
            yield "no_such_word"
        elif name != "self":
            yield f"*{name}" if parameter.kind is parameter.VAR_POSITIONAL else name


async def said(call: Callable[..., Any], given: dict[str, Any]) -> str:
    """Return the error of a call; "" if it succeeds."""
    more = [value for name, value in given.items() if name.startswith("*")]
    words = {name: value for name, value in given.items() if not name.startswith("*")}
    try:
        result = call(*words.values(), *more) if more else call(**words)
        if inspect.isawaitable(result):
            await result
        elif inspect.isasyncgen(result):
            async for _ in result:
                break
        elif hasattr(result, "__aenter__"):
            async with result:
                pass
    except CriShimError as e:
        return str(e)
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return ""


def needed(signature: inspect.Signature) -> dict[str, Any]:
    """Return right values for the arguments that a call must have."""
    return {
        parameter.name: GOOD[parameter.name]
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.name != "self"
    }


GOOD: dict[str, Any] = {
    "command": ["true"], "condition": "exited", "name": "other", "source": "oci:/nope",
    "id_or_name": "web", "image": busybox.NAME, "to": "/nope/x.tar", "target": "oci:/nope/x",
    "path": "/nope/config.toml",
}  # fmt: skip


async def test_a_wrong_argument_is_told_in_plain_words(here: Place, tmp_path: Path) -> None:
    told: list[str] = []
    async with here.runtime() as runtime:
        await runtime.load_image(f"docker-archive:{busybox.archive(tmp_path / 'b.tar')}")
        image = runtime.image(busybox.NAME)
        pod = await runtime.create_pod(name="web")
        try:
            container = await pod.create_container(image, ["sleep", "60"])
            targets: list[tuple[type, object]] = [
                (Runtime, runtime), (Pod, pod), (Container, container), (Image, image),
            ]  # fmt: skip
            for kind, target in targets:
                for name, signature in calls(kind):
                    for word, value in product(arguments(signature), WRONG):
                        text = await said(getattr(target, name), {**needed(signature), word: value})
                        problems = foreign(text.replace(repr(value), ""), fields=False)
                        told += [f"{kind.__name__}.{name} {word}={value!r}: {text} ({problem})"
                                 for problem in problems]  # fmt: skip
        finally:
            for one in runtime.pods():
                await one.remove(force=True)

    assert told == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Auth(3),  # type: ignore[arg-type]
        lambda: Runtime(3),  # type: ignore[arg-type]
        lambda: Runtime(("network.bridg", "x")),
        lambda: Runtime.from_config("/nope/x.toml"),
        lambda: Runtime.from_config(3),  # type: ignore[arg-type]
        lambda: options.with_storage(3),  # type: ignore[arg-type]
        lambda: options.with_conmon_path(3),  # type: ignore[arg-type]
    ],
)
def test_a_runtime_of_wrong_options_is_refused_in_plain_words(make: Any) -> None:
    with pytest.raises(CriShimError) as e:
        make()

    assert foreign(str(e.value)) == []
