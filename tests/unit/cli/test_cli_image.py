"""The sources of an image that a user may give."""

from pathlib import Path

import pytest

from cri_shim.cli.arguments import image_source, image_target
from cri_shim.cli.pulls import size


def test_a_given_transport_is_kept_and_its_path_made_absolute() -> None:
    assert image_source("oci:here") == f"oci:{Path.cwd()}/here"
    assert image_source("docker-archive:/a.tar") == "docker-archive:/a.tar"


def test_a_path_alone_is_made_absolute() -> None:
    assert image_source("a.tar") == f"{Path.cwd()}/a.tar"
    assert image_target("a.tar") == f"docker-archive:{Path.cwd()}/a.tar"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0B"), (999, "999B"), (1234, "1.2kB"), (5_600_000, "5.6MB"), (7_000_000_000, "7.0GB")],
)
def test_sizes_have_readable_units(count: int, expected: str) -> None:
    assert size(count) == expected
