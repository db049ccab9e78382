"""Errors have the names of known objects in place of their ids."""

import pytest

from cri_shim.activity import Subject
from cri_shim.activity.error_names import naming_objects, with_names
from cri_shim.errors import InvalidArgument

POD, CONTAINER, GONE = "4f" * 32, "8c" * 32, "00" * 32
KNOWN = {
    ("pod", POD): Subject("pod", "default/web", POD),
    ("container", CONTAINER): Subject("container", "default/web/main", CONTAINER),
}


def named(kind: str, id: str) -> Subject | None:
    return KNOWN.get((kind, id))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"container {CONTAINER} is paused", "container default/web/main (8c8c8c8c8c8c) is paused"),
        (f"pod a exists: {POD};", "pod a exists: pod default/web (4f4f4f4f4f4f);"),
        (f"the first is {CONTAINER}.", "the first is container default/web/main (8c8c8c8c8c8c)."),
        (f"`{CONTAINER}`: gone", "`container default/web/main (8c8c8c8c8c8c)`: gone"),
        (
            f"container {CONTAINER} in pod {POD}",
            "container default/web/main (8c8c8c8c8c8c) in pod default/web (4f4f4f4f4f4f)",
        ),
    ],
)  # fmt: skip
def test_an_id_becomes_the_name_of_its_object(text: str, wanted: str) -> None:
    assert with_names(text, named) == wanted


@pytest.mark.parametrize(
    "text",
    [
        f"no container with id {GONE}",
        f"cannot open /run/{CONTAINER}/config.json",
        f"cannot open /run/{CONTAINER}",
        f"{CONTAINER}.log is missing",
        f"{CONTAINER}/oci-log",
        f"crio-{CONTAINER}.scope",
        f"sha256:{CONTAINER}",
        f"{CONTAINER}00",
        CONTAINER[:12],
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert with_names(text, named) == text


def test_an_error_keeps_its_class_and_its_field() -> None:
    with pytest.raises(InvalidArgument, match=r"^depends_on: container default/web/main") as caught:
        with naming_objects(named):
            raise InvalidArgument("depends_on", f"container {CONTAINER} is being removed")

    assert caught.value.field == "depends_on"


def test_another_error_is_left_alone() -> None:
    with pytest.raises(OSError, match=CONTAINER), naming_objects(named):
        raise OSError(CONTAINER)
