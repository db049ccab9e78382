"""Signals: the CRI enum by name, an image's StopSignal in all its spellings."""

import signal

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import signals

NAMED = [(name, value) for name, value in api_pb2.Signal.items() if value]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SIGTERM", 15),
        ("term", 15),
        (" SIGQUIT ", 3),
        ("9", 9),
        ("SIGRTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMINPLUS3", 37),
        ("RTMAX-1", 63),
        ("SIGRTMAX", 64),
        ("SIGCLD", 17),
        ("64", 64),
    ],
)
def test_a_stop_signal_is_read_in_all_its_spellings(text: str, expected: int) -> None:
    assert signals.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "0", "32", "65", "SIGNOPE", "SIGRTMIN-1", "RTMAX+1", "RTMIN+31", "-9", "_DFL",
     "1" * 5000, "x" * 5000],
)  # fmt: skip
def test_an_unknown_signal_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="is no signal") as caught:
        signals.parse(text)

    assert caught.value.field == "config.image"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("name", "value"), NAMED, ids=[name for name, _ in NAMED])
def test_every_signal_of_the_api_maps_to_a_number_and_back(
    name: str, value: "api_pb2.Signal.ValueType"
) -> None:
    found = signals.number(value)

    assert 1 <= found <= 64
    assert signals.number(signals.to_enum(found)) == found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (api_pb2.SIGNAL_RUNTIME_DEFAULT, signal.SIGTERM),
        (api_pb2.SIGNAL_SIGHUP, signal.SIGHUP),
        (api_pb2.SIGNAL_SIGUSR1, signal.SIGUSR1),
        (api_pb2.SIGNAL_SIGRTMINPLUS15, 49),
        (api_pb2.SIGNAL_SIGRTMAXMINUS14, 50),
    ],
)
def test_the_enum_is_mapped_by_name_not_by_value(
    value: "api_pb2.Signal.ValueType", expected: int
) -> None:
    assert signals.number(value) == expected


def test_a_value_unknown_to_the_api_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        signals.number(999)  # type: ignore[arg-type]

    assert caught.value.field == "config.stop_signal"


def test_a_number_has_its_usual_name() -> None:
    assert signals.to_enum(17) == api_pb2.SIGNAL_SIGCHLD
    assert signals.to_enum(6) == api_pb2.SIGNAL_SIGABRT


def test_the_config_is_stronger_than_the_image_and_the_default_is_term() -> None:
    default = api_pb2.SIGNAL_RUNTIME_DEFAULT

    assert signals.effective(api_pb2.SIGNAL_SIGIOT, "SIGQUIT") == api_pb2.SIGNAL_SIGIOT
    assert signals.effective(default, "QUIT") == api_pb2.SIGNAL_SIGQUIT
    assert signals.effective(default, "") == api_pb2.SIGNAL_SIGTERM
