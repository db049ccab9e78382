"""`hack/tools/host-net` puts the network of a machine back as it was before a test run."""

import subprocess
from pathlib import Path

_RULES = """
table ip cri_shim {
    chain masquerade_10_1_0_0_24 {
        type nat hook postrouting priority 100; policy accept;
        ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 masquerade
    }
    chain masquerade_10_2_0_0_24 {
        type nat hook postrouting priority 100; policy accept;
    }
}
"""
_SCRIPT = """
set -e
printf '%s' "$2" | nft -f -
hack/tools/host-net save "$1"
nft list ruleset >"$1/before"
{changes}
hack/tools/host-net restore "$1"
nft list ruleset >"$1/after"
"""


def _before_and_after(place: Path, rules: str, changes: str) -> tuple[str, str]:
    script = _SCRIPT.replace("{changes}", changes)
    subprocess.run(["unshare", "--net", "bash", "-c", script, "-", place, rules], check=True)
    return (place / "before").read_text(), (place / "after").read_text()


def test_a_table_of_a_test_run_is_removed(tmp_path: Path) -> None:
    before, after = _before_and_after(tmp_path, "", "nft add table ip cri_shim")
    assert before == after == ""


def test_a_masquerade_table_that_was_there_gets_its_content_back(tmp_path: Path) -> None:
    changes = """
    nft delete chain ip cri_shim masquerade_10_1_0_0_24
    nft add chain ip cri_shim masquerade_10_3_0_0_24
    nft add table ip6 cri_shim
    """
    before, after = _before_and_after(tmp_path, _RULES, changes)
    assert before == after
    assert "ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 masquerade" in after


def test_a_masquerade_table_that_was_removed_is_made_again(tmp_path: Path) -> None:
    before, after = _before_and_after(tmp_path, _RULES, "nft delete table ip cri_shim")
    assert before == after
    assert "masquerade_10_2_0_0_24" in after
