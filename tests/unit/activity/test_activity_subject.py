"""What log lines call an object."""

import pytest

from cri_shim.activity import Subject, subject
from cri_shim.pb import api_pb2 as api

POD = api.PodSandboxMetadata(namespace="default", name="web")


@pytest.mark.parametrize(
    ("made", "shown", "short"),
    [
        (subject.pod(POD, "4f0c1b2a3d4e5f"), "pod default/web (4f0c1b2a3d4e)", "pod default/web"),
        (subject.pod(POD), "pod default/web", "pod default/web"),
        (
            subject.container(POD, "main", "8cd3f7760b4f99", "p"),
            "container default/web/main (8cd3f7760b4f)",
            "container default/web/main",
        ),
        (subject.container(None, "main"), "container main", "container main"),
        (Subject("pod", "", "4f0c1b2a3d4e5f"), "pod 4f0c1b2a3d4e", "pod 4f0c1b2a3d4e"),
        (Subject("image", "busybox"), "image busybox", "image busybox"),
        (Subject("pod", "a\nINFO b"), "pod a | INFO b", "pod a | INFO b"),
    ],
)
def test_an_object_has_kind_name_and_short_id(made: Subject, shown: str, short: str) -> None:
    assert (str(made), made.short) == (shown, short)


def test_a_long_name_is_cut() -> None:
    assert len(str(Subject("pod", "x" * 10_000))) < 600
