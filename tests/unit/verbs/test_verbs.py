"""The table of the daemon's calls is complete, and a role has no call that is more than it."""

import pytest

from cri_shim.pb import api_pb2, control_pb2
from cri_shim.verbs import SORTS, Sort, changes, of_role


def test_the_table_has_every_rpc_and_no_other() -> None:
    services = [
        *api_pb2.DESCRIPTOR.services_by_name.values(),
        *control_pb2.DESCRIPTOR.services_by_name.values(),
    ]
    assert {method.name for service in services for method in service.methods} == set(SORTS)


@pytest.mark.parametrize("verb", ["SaveImage", "LoadImage", "CopyToContainer", "CreateContainer"])
@pytest.mark.parametrize("role", ["read-only", "exec", "images"])
def test_a_call_that_reaches_files_of_the_node_is_only_in_full(role: str, verb: str) -> None:
    assert verb not in of_role(role)
    assert verb in of_role("full")


def test_reads_are_no_changes_and_unknown_calls_are() -> None:
    assert not changes("ListContainers")
    assert changes("Exec")
    assert changes("SomethingNew")
    assert {verb for verb in SORTS if not changes(verb)} == of_role("read-only")


def test_the_role_none_has_nothing_of_its_own() -> None:
    assert of_role("none") == frozenset()
    assert of_role("full") == {verb for verb, sort in SORTS.items() if sort in Sort}
