"""proto/nri/v1alpha1/nri.proto is NRI's wire contract, whole, and nothing else."""

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto/nri/v1alpha1/nri.proto"

_spec = importlib.util.spec_from_file_location("contract", HERE / "contract.py")
assert _spec is not None and _spec.loader is not None
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)
NRI = contract.NRI


def test_every_part_of_the_contract_exists() -> None:
    assert sorted(contract.contract(NRI) - contract.rows(PROTO, NRI)) == []


def test_the_api_has_nothing_beyond_the_contract() -> None:
    assert sorted(contract.rows(PROTO, NRI) - contract.contract(NRI)) == []


def test_the_table_of_the_contract_is_complete() -> None:
    kinds = [row[0] for row in contract.contract(NRI)]
    assert (len(kinds), kinds.count("rpc")) == (386, 21)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string plugin_idx = 2;", "string plugin_idx = 9;"),
        ("map<string, LinuxNetDevice> net_devices = 9;", "map<string, string> net_devices = 9;"),
        ("  VALIDATE_CONTAINER_ADJUSTMENT = 14;", "  VALIDATE_CONTAINER_ADJUSTMENT = 16;"),
        ("returns (StopContainerResponse)", "returns (Empty)"),
    ],
)
def test_a_change_on_the_wire_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    text = PROTO.read_text()
    changed = tmp_path / "nri.proto"
    changed.write_text(text.replace(old, new))
    assert text.count(old) == 1
    assert contract.rows(changed, NRI) != contract.contract(NRI)
