"""The package of a program has the name that the distribution gives it."""

import pytest

from cri_shim.problems import packages


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "debian"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "fedora"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "suse"),
        ({"ID": "plan9"}, ""),
        ({}, ""),
    ],
)
def test_distributions_belong_to_families(release: dict[str, str], expected: str) -> None:
    assert packages.family(release) == expected


def test_the_remedy_names_package_and_command() -> None:
    assert packages.install("conmon", "debian") == "install conmon (apt install conmon)"
    assert packages.install("nft", "fedora") == "install nftables (dnf install nftables)"
    assert packages.install("newuidmap", "debian") == "install uidmap (apt install uidmap)"
    assert packages.install("CNI plugins", "arch") == "install cni-plugins (pacman -S cni-plugins)"
    assert packages.install("pasta", "") == "install passt"
