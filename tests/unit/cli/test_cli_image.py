"""The sources of an image that a user may give."""

import tarfile
from pathlib import Path

import pytest

from cri_shim.cli.image import size, source
from cri_shim.errors import InvalidArgument


def archive(path: Path, *members: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(tarfile.TarInfo(member))
    return path


def test_a_given_transport_is_kept_and_its_path_made_absolute() -> None:
    assert source("oci:here") == f"oci:{Path.cwd()}/here"
    assert source("docker-archive:/a.tar") == "docker-archive:/a.tar"


def test_an_archive_is_recognised_by_its_contents(tmp_path: Path) -> None:
    docker = archive(tmp_path / "d.tar", "manifest.json", "x/layer.tar")
    oci = archive(tmp_path / "o.tar", "./oci-layout", "./index.json")
    assert source(str(docker)) == f"docker-archive:{docker}"
    assert source(str(oci)) == f"oci-archive:{oci}"


def test_a_directory_is_recognised_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "oci").mkdir()
    (tmp_path / "oci" / "oci-layout").touch()
    (tmp_path / "plain").mkdir()
    assert source(str(tmp_path / "oci")) == f"oci:{tmp_path}/oci"
    assert source(str(tmp_path / "plain")) == f"dir:{tmp_path}/plain"


def test_a_path_that_is_not_an_image_is_refused(tmp_path: Path) -> None:
    other = archive(tmp_path / "x.tar", "README")
    (tmp_path / "text").write_text("x")
    with pytest.raises(InvalidArgument, match=r"x\.tar holds neither"):
        source(str(other))
    with pytest.raises(InvalidArgument, match="text is no tar archive"):
        source(str(tmp_path / "text"))
    with pytest.raises(InvalidArgument, match="none does not exist"):
        source(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0B"), (999, "999B"), (1234, "1.2kB"), (5_600_000, "5.6MB"), (7_000_000_000, "7.0GB")],
)
def test_sizes_have_readable_units(count: int, expected: str) -> None:
    assert size(count) == expected
