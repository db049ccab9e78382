"""The image config that a commit makes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.spec.image_changes import changed, committed

BASE = {
    "Cmd": ["sh"],
    "Env": ["PATH=/bin", "old=1"],
    "Labels": {"kept": "1", "both": "base"},
    "Volumes": {"/a": {}},
    "User": "root",
}
NOW = datetime(2024, 5, 6, 7, 8, 9, 500_000, UTC)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (['CMD ["/bin/app", "-x"]'], {"Cmd": ["/bin/app", "-x"]}),
        (["cmd app -x"], {"Cmd": ["/bin/sh", "-c", "app -x"]}),
        (['ENTRYPOINT ["/init"]', "CMD []"], {"Entrypoint": ["/init"], "Cmd": []}),
        (['ENV old=2 new="a b"'], {"Env": ["PATH=/bin", "old=2", "new=a b"]}),
        (["ENV new a b c"], {"Env": ["PATH=/bin", "old=1", "new=a b c"]}),
        (["LABEL both=mine x=y"], {"Labels": {"kept": "1", "both": "mine", "x": "y"}}),
        (["EXPOSE 80 53/udp"], {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        (['VOLUME ["/b"]', "VOLUME /c /d"],
         {"Volumes": {"/a": {}, "/b": {}, "/c": {}, "/d": {}}}),
        (["USER 1000:1000", "WORKDIR /srv", "STOPSIGNAL SIGINT"],
         {"User": "1000:1000", "WorkingDir": "/srv", "StopSignal": "SIGINT"}),
        (["ONBUILD RUN make", "ONBUILD RUN more"], {"OnBuild": ["RUN make", "RUN more"]}),
        ({"Cmd": ["a"], "Env": {"old": None, "n": "1"}},
         {"Cmd": ["a"], "Env": ["PATH=/bin", "n=1"]}),
        ({"Env": ["only=1"], "Labels": {"kept": None}},
         {"Env": ["only=1"], "Labels": {"both": "base"}}),
        ({"Volumes": ["/b"], "ExposedPorts": {"1/tcp": {}}},
         {"Volumes": {"/a": {}, "/b": {}}, "ExposedPorts": {"1/tcp": {}}}),
        ([], {}),
    ],
)  # fmt: skip
def test_changes_are_made_in_their_order(changes: Any, expected: dict[str, Any]) -> None:
    assert changed(BASE, changes) == {**BASE, **expected}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (["RUN make"], "begins with none of CMD, ENTRYPOINT"),
        (["CMD"], "says nothing"),
        (["ENV alone"], "gives alone no value"),
        (["ENV a=b bad"], "'bad' in 'ENV a=b bad' is not NAME=VALUE"),
        (["ENV a='b"], "cannot be read"),
        (["CMD [1]"], "changes.Cmd: is not a list of texts"),
        ("CMD sh", "is one text, not a list"),
        ({"cmd": ["sh"]}, "'cmd' is none of Cmd, Entrypoint"),
        ({"Cmd": "sh"}, "changes.Cmd: is not a list of texts"),
        ({"Cmd": 5}, "changes.Cmd: is not a list of texts"),
        ({"User": 1000}, "changes.User: is not a text"),
        ({"Env": ["x"]}, "'x' is not NAME=VALUE"),
        ({"Env": {"a=b": "c"}}, "changes.Env: is not a mapping"),
        ({"Labels": ["x"]}, "changes.Labels: is not a mapping"),
    ],
)
def test_a_malformed_change_is_refused(changes: Any, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        changed(BASE, changes)


def test_a_committed_config_has_one_more_layer_and_step() -> None:
    base = {
        "architecture": "amd64",
        "author": "first",
        "config": BASE,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
        "history": [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}],
    }

    made = json.loads(
        committed(
            json.dumps(base).encode(),
            diff_id="sha256:3",
            now=NOW,
            created_by="sh -c make",
            comment="a note",
            changes=["USER 5"],
        )
    )

    assert made["rootfs"]["diff_ids"] == ["sha256:1", "sha256:2", "sha256:3"]
    assert made["config"] == {**BASE, "User": "5"}
    assert (made["created"], made["author"]) == ("2024-05-06T07:08:09.500000Z", "first")
    assert made["history"][-1] == {
        "created": made["created"], "created_by": "sh -c make", "comment": "a note",
    }  # fmt: skip
    layers = [step for step in made["history"] if not step.get("empty_layer")]
    assert len(layers) == 3  # one of them was not recorded


def test_a_committed_config_names_its_author() -> None:
    made = json.loads(committed(b"{}", diff_id="sha256:1", now=NOW, author="me"))

    assert made["author"] == "me"
    assert made["history"] == [{"created": made["created"], "author": "me"}]
