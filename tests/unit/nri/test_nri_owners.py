"""Ownership: one plugin for each field, unless another one cleared it first."""

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb


def test_a_plugin_may_set_a_field_again_only_after_it_cleared_it() -> None:
    owners = Owners()
    owners.claim("c", "Args", "10-a")

    with pytest.raises(ToolFailed, match="NRI plugin 10-a sets Args of container c twice"):
        owners.claim("c", "Args", "10-a")
    owners.clear("c", "Args", "20-b")
    owners.claim("c", "Args", "20-b")

    assert owners.of("c", "Args") == "20-b"


def test_two_plugins_cannot_set_one_entry() -> None:
    owners = Owners()
    owners.claim("c", "Env", "10-a", "PATH")
    owners.claim("c", "Env", "20-b", "HOME")
    owners.claim("d", "Env", "20-b", "PATH")

    with pytest.raises(
        ToolFailed,
        match="NRI plugins 20-b and 10-a both set Env PATH of container c; remove one of them",
    ):
        owners.claim("c", "Env", "20-b", "PATH")


def test_what_one_plugin_cleared_another_cannot_set() -> None:
    owners = Owners()
    owners.clear("c", "Mounts", "10-a", "/x")

    with pytest.raises(ToolFailed, match="20-b and 10-a both set Mounts /x"):
        owners.claim("c", "Mounts", "20-b", "/x")
    assert owners.entries("c", "Mounts") == {}


def test_hooks_have_several_owners() -> None:
    owners = Owners()
    owners.add("c", "OciHooks", "10-a")
    owners.add("c", "OciHooks", "20-b")

    assert owners.of("c", "OciHooks") == "10-a,20-b"


def test_the_message_has_the_owners_by_the_numbers_of_the_fields() -> None:
    owners = Owners()
    owners.claim("c", "MemLimit", "10-a")
    owners.claim("c", "Sysctl", "10-a", "net.x")

    fields = owners.message.owners["c"]
    assert dict(fields.simple) == {pb.MemLimit: "10-a"}
    assert dict(fields.compound[pb.Sysctl].owners) == {"net.x": "10-a"}
    assert owners.entries("c", "Sysctl") == {"net.x": "10-a"}


def test_claims_of_a_copy_stay_in_the_copy() -> None:
    owners = Owners()
    owners.copy().claim("c", "Args", "10-a")

    assert owners.of("c", "Args") == ""
