"""The message of a container from its record."""

import pytest

from cri_shim.nri import messages
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state


def record() -> state.ContainerRecord:
    found = state.ContainerRecord(
        id="c",
        pod_id="p",
        image_name="busybox",
        image_id="1234",
        image_ref="docker.io/library/busybox@sha256:abcd",
        created_at=1,
        exit_code=3,
        reason="Error",
    )
    found.config.metadata.name = "main"
    found.config.CDI_devices.add(name="v/c=d")
    found.init.pid = 77
    return found


def test_the_record_is_in_the_message() -> None:
    found = messages.of_record(record())

    assert (found.id, found.pod_sandbox_id, found.name, found.pid) == ("c", "p", "main", 77)
    assert (found.exit_code, found.status_reason, found.created_at) == (3, "Error", 1)
    assert [device.name for device in found.CDI_devices] == ["v/c=d"]
    assert (found.image.name, found.image.digest) == ("busybox", "sha256:abcd")
    assert found.image.config_digest == "sha256:1234"
    assert not found.linux.HasField("seccomp_profile")


def test_an_image_without_a_digest() -> None:
    local = record()
    local.image_ref = "1234"

    assert messages.of_record(local).image.digest == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (api.SecurityProfile.RuntimeDefault, pb.SecurityProfile.RUNTIME_DEFAULT),
        (api.SecurityProfile.Unconfined, pb.SecurityProfile.UNCONFINED),
        (api.SecurityProfile.Localhost, pb.SecurityProfile.LOCALHOST),
    ],
)
def test_the_seccomp_profile(given: int, told: int) -> None:
    found = record()
    found.config.linux.security_context.seccomp.profile_type = given  # type: ignore[assignment]

    assert messages.of_record(found).linux.seccomp_profile.profile_type == told


def test_annotations_of_the_document_are_added() -> None:
    found = pb.Container(annotations={"a": "1"})

    messages.add_document(found, {"annotations": {"b": "2"}})

    assert dict(found.annotations) == {"a": "1", "b": "2"}
