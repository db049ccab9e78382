"""The numbers of all pulls; their labels are known before any pull."""

import asyncio
import json

import pytest

from cri_shim.errors import (
    InvalidArgument,
    NotFound,
    RegistryUnavailable,
    SignatureValidationFailed,
    ToolFailed,
    Unavailable,
)
from cri_shim.store.fetching.counters import RESULTS, PullCounters, result_of


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (asyncio.CancelledError(), "cancelled"),
        (NotFound("x"), "not_found"),
        (RegistryUnavailable("x"), "registry_unavailable"),
        (SignatureValidationFailed("x"), "policy"),
        (InvalidArgument("image", "x"), "invalid_name"),
        (Unavailable("x"), "no_space"),
        (ToolFailed("x"), "failed"),
        (KeyError("x"), "error"),
    ],
)
def test_the_result_of_a_pull_is_the_kind_of_its_error(
    error: BaseException | None, result: str
) -> None:
    assert result_of(error) == result
    assert result in RESULTS


def test_the_numbers_only_grow_and_every_result_is_told() -> None:
    counters = PullCounters()
    assert set(counters.facts()["pulls"].values()) == {0}

    counters.ended("ok", 1.5, bytes=10, fetched=1, here=2)
    counters.ended("ok", 0.25, bytes=5, fetched=0, here=3)
    counters.ended("failed", 2.0, bytes=1, fetched=1, here=0)

    told = json.loads(json.dumps(counters.facts()))
    assert told["pulls"] == dict.fromkeys(RESULTS, 0) | {"ok": 2, "failed": 1}
    assert told["seconds"] == dict.fromkeys(RESULTS, 0.0) | {"ok": 1.75, "failed": 2.0}
    assert (told["bytes"], told["layersFetched"], told["layersHere"]) == (16, 2, 5)
