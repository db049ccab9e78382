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
def test_a_time_is_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert moment(nanoseconds) == text


def test_a_status_has_all_its_fields_and_times_and_signals_as_text() -> None:
    given = api.ContainerStatus(id="x", created_at=10**18, stop_signal=api.SIGNAL_SIGINT)
    told = status(given, {})["status"]
    assert (told["createdAt"], told["finishedAt"]) == ("2001-09-09T01:46:40Z", moment(0))
    assert (told["stopSignal"], told["reason"], told["labels"]) == ("SIGINT", "", {})


def test_what_a_verbose_answer_tells_stands_beside_the_status() -> None:
    info = {"info": '{"pid": 7}', "plain": '"quoted"', "broken": "{no json"}
    told = status(api.PodSandboxStatus(id="x"), info)
    del told["status"]
    assert told == {"info": {"pid": 7}, "plain": "quoted", "broken": "{no json"}
