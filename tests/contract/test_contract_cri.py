"""proto/runtime/v1/api.proto is the wire contract, whole, and nothing else."""

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto/runtime/v1/api.proto"

_spec = importlib.util.spec_from_file_location("contract", HERE / "contract.py")
assert _spec is not None and _spec.loader is not None
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)


def test_every_part_of_the_contract_exists() -> None:
    assert sorted(contract.contract() - contract.rows(PROTO)) == []


def test_the_api_has_nothing_beyond_the_contract() -> None:
    assert sorted(contract.rows(PROTO) - contract.contract()) == []


def test_the_table_of_the_contract_is_complete() -> None:
    kinds = [row[0] for row in contract.contract()]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert (len(kinds), counts["rpc"]) == (634, 43)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string runtime_name = 2;", "string runtime_name = 5;"),
        ("string runtime_name = 2;", "bytes runtime_name = 2;"),
        ("string runtime_name = 2;", "repeated string runtime_name = 2;"),
        ("string runtime_name = 2;", "optional string runtime_name = 2;"),
        ("string runtime_name = 2;", "oneof one { string runtime_name = 2; }"),
        ("string runtime_name = 2;", "string name_of_runtime = 2;"),
        ("map<string, string> unified = 9;", "map<string, bytes> unified = 9;"),
        ("returns (stream StreamImagesResponse)", "returns (StreamImagesResponse)"),
        ("  SCTP = 2;", "  SCTP = 3;"),
        ("message StopContainerResponse {}", "message StopContainerResponse { bool done = 1; }"),
    ],
)
def test_a_change_on_the_wire_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    text = PROTO.read_text()
    changed = tmp_path / "api.proto"
    changed.write_text(text.replace(old, new))
    assert text.count(old) == 1
    assert contract.rows(changed) != contract.contract()


def test_another_package_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "api.proto"
    other.write_text('syntax = "proto3"; package runtime.v2;')
    with pytest.raises(ValueError, match=r"the wire needs 'runtime\.v1'"):
        contract.rows(other)


def test_every_rpc_is_called_by_a_test_over_the_socket() -> None:
    tests = HERE.parent
    files = [
        p
        for name in ("conformance", "fixtures", "integration")
        for p in tests.rglob(f"{name}/**/*.py")
    ]
    words = "\n".join(file.read_text() for file in files)
    rpcs = [row[2] for row in contract.contract() if row[0] == "rpc"]

    assert [rpc for rpc in rpcs if f".{rpc}(" not in words and f'"{rpc}"' not in words] == []
