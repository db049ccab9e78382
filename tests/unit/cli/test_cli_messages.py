"""CRI messages as crictl prints them."""

import pytest

from cri_shim.cli.messages import moment, status
from cri_shim.pb import api_pb2 as api


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (10**18, "2001-09-09T01:46:40Z"),
        (10**18 + 120_000_000, "2001-09-09T01:46:40.12Z"),
    ],
)
def test_a_time_is_written_like_go(nanoseconds: int, text: str) -> None:
    assert moment(nanoseconds) == text


def test_a_status_has_all_its_fields_and_times_and_signals_as_text() -> None:
    given = api.ContainerStatus(id="x", created_at=10**18, stop_signal=api.SIGNAL_SIGINT)
    shown = status(given, {})["status"]
    assert (shown["createdAt"], shown["finishedAt"]) == ("2001-09-09T01:46:40Z", moment(0))
    assert (shown["stopSignal"], shown["reason"], shown["labels"]) == ("SIGINT", "", {})


def test_the_info_of_a_verbose_answer_is_beside_the_status() -> None:
    info = {"info": '{"pid": 7}', "plain": '"quoted"', "broken": "{no json"}
    shown = status(api.PodSandboxStatus(id="x"), info)
    del shown["status"]
    assert shown == {"info": {"pid": 7}, "plain": "quoted", "broken": "{no json"}
