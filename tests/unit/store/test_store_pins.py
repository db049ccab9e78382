"""Which names pin an image."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.pins import Pins

ID, DIGEST = "a" * 64, "sha256:" + "d" * 64
IMAGE = ImageRecord(
    id=ID,
    repo_tags=["docker.io/library/busybox:1.36", "r.example/team/tools:v2"],
    repo_digests=[f"docker.io/library/busybox@{DIGEST}"],
)


@pytest.mark.parametrize(
    "pattern",
    [
        "docker.io/library/busybox:1.36", "busybox:1.36", f"busybox@{DIGEST}", "team/tools:v2",
        f"busybox:any@{DIGEST}", ID, f"sha256:{ID}", "r.example/team/*", "*tools*", "*:v2", "*",
        "**", f"*@{DIGEST}", "docker.io/*/busybox:*",
    ],
)  # fmt: skip
def test_a_name_of_the_image_pins_it(pattern: str) -> None:
    assert Pins(["other:1", pattern], search=["r.example", "docker.io"]).has(IMAGE)


@pytest.mark.parametrize(
    "pattern",
    [
        "busybox", "busybox:1", "busybox*", "r.example/team", "*tools", "*:1?36", "*:1.3[6]",
        "*/Tools*", "b" * 64,
    ],
)  # fmt: skip
def test_another_name_does_not(pattern: str) -> None:
    assert not Pins([pattern], search=["r.example", "docker.io"]).has(IMAGE)


def test_nothing_is_pinned_without_patterns() -> None:
    assert not Pins().has(IMAGE)


def test_an_id_that_is_added_pins() -> None:
    pins = Pins()
    pins.add([ID])
    assert pins.has(IMAGE)


def test_a_record_that_says_so_is_pinned() -> None:
    assert Pins().has(ImageRecord(id=ID, pinned=True))


@pytest.mark.parametrize("pattern", ["UPPER", "a b", "", "x@sha256:12", "c" * 64 + ":1"])
def test_what_is_no_image_name_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match=r"image\.pinned_images: "):
        Pins([pattern])
