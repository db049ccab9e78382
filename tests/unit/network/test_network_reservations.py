"""Addresses that are reserved for no pod, in files as host-local keeps them."""

from pathlib import Path

import pytest

from cri_shim.network.reservations import free_unclaimed

KEPT = "a" * 64


@pytest.fixture
def leases(tmp_path: Path) -> Path:
    (tmp_path / "10.87.0.2").write_text(f"{KEPT}\r\neth0")
    (tmp_path / "fd00::2").write_text(f"{KEPT}\r\neth0")
    (tmp_path / "last_reserved_ip.0").write_text("10.87.0.2")
    (tmp_path / "lock").touch()
    return tmp_path


@pytest.mark.parametrize(
    "content", [b"", b"b" * 64, b"b" * 64 + b"\r\neth0", b"\xff\n", b"\0", b"a" * 5000]
)
def test_only_reservations_that_no_pod_claims_are_freed(leases: Path, content: bytes) -> None:
    before = sorted(leases.iterdir())
    (leases / "10.87.0.3").write_bytes(content)
    (leases / "fd00::3").write_bytes(content)
    free_unclaimed(leases, {KEPT})
    assert sorted(leases.iterdir()) == before


def test_a_network_that_never_was_used_has_no_reservations(tmp_path: Path) -> None:
    free_unclaimed(tmp_path / "none", set())
