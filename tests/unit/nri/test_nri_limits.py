"""Every limit is claimed and set, and no other."""

from google.protobuf.descriptor import FieldDescriptor

from cri_shim.nri import limits
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb


def everything() -> pb.LinuxResources:
    """Return a message in which every limit is set; rules of devices are not limits."""
    found = pb.LinuxResources(
        unified={"k": "v"}, hugepage_limits=[pb.HugepageLimit(page_size="2MB", limit=1)]
    )
    for part in (found.memory, found.cpu):
        for field in part.DESCRIPTOR.fields:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                getattr(part, field.name).value = 1
            else:
                setattr(part, field.name, "0")
    found.blockio_class.value = found.rdt_class.value = "x"
    found.pids.limit = 1
    return found


def test_every_limit_is_set_and_has_an_owner() -> None:
    owners, target = Owners(), pb.LinuxResources()

    limits.collect(owners, "c", "10-a", everything(), target)

    assert target == everything()
    fields = owners.message.owners["c"]
    assert {*fields.simple, *fields.compound} == {*range(pb.MemLimit, pb.CgroupsUnified + 1)}


def test_what_is_not_set_has_no_owner() -> None:
    owners = Owners()

    limits.collect(owners, "c", "10-a", pb.LinuxResources(), pb.LinuxResources())

    assert owners.message == pb.OwningPlugins()


def test_a_second_limit_of_a_page_size_replaces_the_first() -> None:
    target = pb.LinuxResources(hugepage_limits=[pb.HugepageLimit(page_size="2MB", limit=9)])

    limits.collect(Owners(), "c", "10-a", everything(), target)

    assert [(p.page_size, p.limit) for p in target.hugepage_limits] == [("2MB", 1)]
