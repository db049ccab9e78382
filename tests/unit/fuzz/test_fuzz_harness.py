"""The fuzz harness sees what breaks the property, and a seed repeats it."""

import json
import logging
import random
from collections.abc import Callable

import pytest

from cri_shim.errors import InvalidArgument
from tests.hostile.fuzz import harness as module
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.harness import Failure, Harness
from tests.hostile.fuzz.target import Target, pure


def target(run: Callable[[bytes], object], *allowed: type[Exception]) -> Target:
    return Target("test", lambda: [b"seed", b'{"a": [1, {"b": null}]}'], pure(run), allowed)


def tried(run: Callable[[bytes], object], *allowed: type[Exception]) -> Failure | None:
    return Harness(target(run, *allowed), 1).run(inputs=50, seconds=60.0)


def raising(error: BaseException) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        raise error

    return run


def looping(data: bytes) -> object:
    while True:
        data += b""


def logging_(data: bytes) -> object:
    try:
        return json.loads("{}")["x"]
    except KeyError:
        logging.getLogger("cri_shim").exception("met a bug")
    return None


def test_documented_results_and_errors_pass() -> None:
    assert tried(len) is None
    assert tried(raising(ValueError("x")), ValueError) is None


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (raising(KeyError("x")), "KeyError"),
        (raising(RecursionError()), "RecursionError"),
        (lambda data: bytearray(1 << 40), "MiB of memory"),
        (logging_, "met a bug"),
    ],
)
def test_a_broken_property_is_found(run: Callable[[bytes], object], problem: str) -> None:
    failure = tried(run, ValueError)
    assert failure is not None
    assert problem in failure.problem


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_S", 0.05)
    failure = tried(looping)
    assert failure is not None
    assert "of CPU time" in failure.problem


def test_an_error_of_ours_must_be_one_printable_line_of_bounded_length() -> None:
    error = InvalidArgument("a", "b")
    error.args = ("x\ny",)
    failure = tried(raising(error), InvalidArgument)
    assert failure is not None
    assert "not one printable line" in failure.problem
    error.args = ("x" * 10_000,)
    failure = tried(raising(error), InvalidArgument)
    assert failure is not None
    assert "an error of 10000 characters" in failure.problem


def test_a_seed_repeats_every_input() -> None:
    def inputs(seed: int) -> list[bytes]:
        found: list[bytes] = []

        def run(data: bytes) -> bytes:
            found.append(data)
            return data[:2]

        Harness(target(run), seed).run(inputs=200, seconds=60.0)
        return found

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_json_stays_json_mostly() -> None:
    rng, text = random.Random(1), json.dumps({"a": [1, {"b": "c"}], "d": {"e": 1.5}}).encode()
    made = [mutation.of_json(rng, text, [text]) for _ in range(300)]
    assert len(set(made)) > 100

    def is_json(data: bytes) -> bool:
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            return False
        return True

    assert sum(map(is_json, made)) > 200
