"""Names of plugins and masks of events."""

import pytest

from cri_shim.nri import names


@pytest.mark.parametrize(("index", "name"), [("00", "a"), ("99", "A-b_c.d+1"), ("10", "x" * 200)])
def test_a_good_name_has_no_problem(index: str, name: str) -> None:
    assert names.problem(index, name) == ""


@pytest.mark.parametrize(
    ("index", "name", "problem"),
    [
        ("1", "a", "the index '1' must be two digits"),
        ("١٢", "a", "the index '١٢' must be two digits"),
        ("123", "a", "must be two digits"),
        ("10", "", "the name '' must be of letters"),
        ("10", "a/b", "the name 'a/b' must be of letters, digits and _.+-"),
        ("10", "a\n", "must be of letters"),
        ("10", "x" * 201, "must be of letters"),
    ],
)
def test_a_bad_name_is_told(index: str, name: str, problem: str) -> None:
    assert problem in names.problem(index, name)


@pytest.mark.parametrize(
    ("file", "found"),
    [("10-logger", ("10", "logger")), ("10-a-b", ("10", "a-b")), ("logger", None), ("1-x", None)],
)
def test_the_name_of_a_file_has_index_and_name(file: str, found: tuple[str, str] | None) -> None:
    assert names.of_file(file) == found


def test_no_events_mean_all_events() -> None:
    assert names.mask(0) == names.ALL_EVENTS
    assert all(names.subscribes(names.ALL_EVENTS, method) for method in names.METHODS)


def test_a_mask_has_one_bit_for_each_event() -> None:
    mask = names.mask(1 << 3)

    assert [m for m in names.METHODS if names.subscribes(mask, m)] == ["CreateContainer"]


@pytest.mark.parametrize("events", [1 << 14, -1])
def test_unknown_events_are_refused(events: int) -> None:
    with pytest.raises(ValueError, match="it subscribes to unknown events"):
        names.mask(events)


def test_every_call_of_the_past_goes_by_state_change_to_old_plugins() -> None:
    assert len(names.METHODS) == 14
    assert len(names.BY_STATE_CHANGE) == 9
