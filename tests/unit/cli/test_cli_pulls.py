"""The lines in which a pull is shown."""

from cri_shim.cli.pulls import Told, described
from cri_shim.pb.control_pb2 import LayerPull, Pull

LAYERS = [
    LayerPull(digest="sha256:" + "a" * 64, state="done", done=2_000_000, total=2_000_000),
    LayerPull(digest="sha256:" + "b" * 64, state="downloading", done=500, total=1000, attempt=2),
]
PULL = Pull(
    name="app",
    reference="registry.example/app:1",
    asked_by=["ns/pod"],
    host="mirror",
    attempt=2,
    trouble="cut off",
    done=2_000_500,
    total=2_001_000,
    rate=1_500_000,
    layers=LAYERS,
)


def test_a_pull_is_a_summary_and_a_bar_for_each_layer() -> None:
    summary, first, second = described(PULL)
    assert summary == (
        "2.0MB of 2.0MB, 1.5MB/s: registry.example/app:1 from mirror, for ns/pod: repeated: cut off"
    )
    assert f"aaaaaaaaaaaa [{'=' * 30}]" in first
    assert first.endswith("2.0MB/2.0MB done")
    assert f"bbbbbbbbbbbb [{'=' * 15}{' ' * 15}]" in second
    assert second.endswith("500B/1.0kB downloading, try 2")


def test_the_lines_of_layers_fit_a_narrow_terminal() -> None:
    _, first, second = described(PULL, 60)
    assert first.startswith(f"  aaaaaaaaaaaa [{'=' * 12}]")
    assert len(first) <= 60
    assert second.partition(",")[0].endswith("500B/1.0kB downloading")


def test_before_the_registry_has_answered_only_the_name_is_known() -> None:
    assert described(Pull(name="app")) == ["app"]


def test_an_empty_layer_is_shown_as_complete() -> None:
    line = described(Pull(name="app", layers=[LayerPull(digest="sha256:c", state="waiting")]))[1]
    assert "=" * 30 in line


def test_control_characters_of_a_registry_reach_no_terminal() -> None:
    lines = described(Pull(name="app", host="\x1b[31mevil\n", trouble="\x07"))
    assert not any(set("\x1b\n\x07") & set(line) for line in lines)


def test_lines_tell_each_layer_and_each_trouble_once() -> None:
    told = Told("app")
    assert list(told.news(PULL)) == [
        "again, try 2: cut off",
        "layer 1 of 2: aaaaaaaaaaaa 2.0MB",
    ]
    assert list(told.news(PULL)) == []


def test_a_pull_of_which_nothing_new_is_told_is_not_forgotten() -> None:
    told = Told("app")
    assert list(told.reminder()) == ["pulling app: no answer of the registry for 0 s"]
    list(told.news(PULL))
    assert list(told.reminder()) == []
    assert list(told.reminder()) == ["pulling app: 1 of 2 layers, 2.0MB of 2.0MB"]
