"""A record without a row is left out of a list and logged once."""

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.state import rows


def shown(name: str) -> api.Image:
    return api.Image(username=name)


def test_a_row_is_the_result_of_make() -> None:
    assert rows.row("image", "good", shown, "app") == api.Image(username="app")


def test_a_record_without_a_row_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert rows.row("image", "bad", shown, "\ud800") is None
    assert caplog.text.count("image bad is left out of lists") == 1
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("failure", [OSError, MemoryError])
def test_a_failure_of_the_machine_is_raised(failure: type[Exception]) -> None:
    def fail() -> None:
        raise failure

    with pytest.raises(failure):
        rows.row("image", "innocent", fail)
