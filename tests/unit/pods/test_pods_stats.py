"""Whose numbers a pod's cgroup parent has."""

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.stats import has_own_group

UID = "1b2c-3d"


@pytest.mark.parametrize(
    ("parent", "own"),
    [
        (f"/kubepods/burstable/pod{UID}", True),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b2c_3d.slice", True),
        ("/kubepods/burstable", False),
        (f"/kubepods/pod{UID}/inner", False),
        (f"/kubepods/pod{UID}4", False),
        ("kubepods.slice", False),
        ("", False),
    ],
)
def test_a_group_named_after_the_pods_uid_is_its_own(parent: str, own: bool) -> None:
    config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(uid=UID))
    assert has_own_group(state.PodRecord(config=config, cgroup_parent=parent)) is own


def test_a_pod_without_uid_has_none() -> None:
    assert not has_own_group(state.PodRecord(cgroup_parent="/kubepods/pod"))
