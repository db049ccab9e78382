"""What skopeo's complaints mean."""

from pathlib import Path

import pytest

from cri_shim.aio.child import Finished
from cri_shim.errors import (
    CriShimError,
    NotFound,
    RegistryUnavailable,
    SignatureValidationFailed,
    ToolFailed,
    Unavailable,
)
from cri_shim.store.archives.skopeo import failure


def complaint(message: str) -> Finished:
    line = f'time="2024-01-01T00:00:00Z" level=fatal msg="{message}"'
    return Finished(("skopeo",), 1, b"", line.encode())


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("pinging container registry h: dial tcp 1.2.3.4:443: connect: connection refused",
         RegistryUnavailable),
        ("pinging container registry h: dial tcp: lookup h: no such host", RegistryUnavailable),
        ("reading manifest 1 in h/a: manifest unknown: manifest unknown", NotFound),
        ("reading manifest 1 in h/a: name unknown: repository name not known", NotFound),
        ("Source image rejected: Running image docker://h/a:1 is rejected by policy.",
         SignatureValidationFailed),
        ("Source image rejected: A signature was required, but no signature exists",
         SignatureValidationFailed),
        ("unable to retrieve auth token: invalid username/password: unauthorized", ToolFailed),
        ("writing blob: write /x/oci-put-blob1: no space left on device", Unavailable),
        ("writing blob: Digest did not match, expected sha256:1, got sha256:2", ToolFailed),
        ("something nobody has seen before", ToolFailed),
    ],
)  # fmt: skip
def test_a_complaint_becomes_an_error_of_its_kind(message: str, kind: type[CriShimError]) -> None:
    error = failure(complaint(message), "cannot copy docker://h/a:1", Path("/store"))

    assert type(error) is kind
    words = "h has no a:1" if kind is NotFound else message
    assert words in str(error)
    assert "level=" not in str(error)


def test_what_skopeo_says_twice_or_wrongly_is_left_out() -> None:
    said = 'Error parsing image name \\"docker://h/a:1\\": reading x: denied: denied: requested'

    assert str(failure(complaint(said), "cannot copy docker://h/a:1")) == (
        "cannot copy docker://h/a:1: reading x: denied: requested"
    )


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("pinging h: http: server gave HTTP response to HTTPS client",
         "set insecure = true for h:5000 in registries.conf"),
        ("pinging h: tls: failed: x509: certificate signed by unknown authority",
         "put its CA into /etc/containers/certs.d/h:5000/ca.crt"),
    ],
)  # fmt: skip
def test_a_complaint_of_tls_has_a_remedy(message: str, remedy: str) -> None:
    assert str(failure(complaint(message), "cannot copy docker://h:5000/a:1")).endswith(remedy)


def test_want_of_space_names_the_directory() -> None:
    error = failure(complaint("no space left on device"), "cannot copy docker://h/a", Path("/x"))

    assert "/x" in str(error)


def test_a_local_source_makes_no_registry_unavailable() -> None:
    error = failure(complaint("unexpected EOF"), "cannot copy docker-archive:/a.tar")

    assert type(error) is ToolFailed
