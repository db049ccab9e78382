"""hack/critest: reading the suite's reports, and writing ours."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hack.critestlib import mirror, report, segments, tools
from hack.critestlib.outcome import Outcome, Spec, read_specs
from hack.critestlib.packages import parse_ldd
from hack.critestlib.run import Combination, Suite, arguments


def entry(
    state: str, text: str = "should work", message: str = "", kind: str = "It"
) -> dict[str, object]:
    return {
        "ContainerHierarchyTexts": ["[k8s.io] Pod", "in context"],
        "LeafNodeType": kind,
        "LeafNodeText": text,
        "State": state,
        "RunTime": 1_500_000_000,
        "Failure": {
            "Message": message,
            "Location": {"FileName": "/src/pkg/validate/pod.go", "LineNumber": 42},
        },
    }


def specs_of(*entries: dict[str, object]) -> list[Spec]:
    return read_specs(json.dumps([{"SpecReports": entries}]))


def outcome(title: str, *specs: Spec) -> Outcome:
    return Outcome(title, "2026-01-02", {"crun": "1.8.1"}, True, 12.3, specs)


def test_a_passed_spec_has_its_whole_name_and_time():
    assert specs_of(entry("passed")) == [
        Spec("[k8s.io] Pod in context should work", "pass", "", "", 1.5)
    ]


@pytest.mark.parametrize("state", ["failed", "panicked", "timedout", "interrupted", "aborted"])
def test_a_spec_that_ends_in_any_other_way_is_a_failure_with_its_place(state):
    (spec,) = specs_of(entry(state, message="Expected\n  <int>: 1"))

    assert (spec.state, spec.reason, spec.at) == ("fail", "Expected <int>: 1", "pod.go:42")


def test_a_skipped_spec_has_its_reason():
    (spec,) = specs_of(entry("skipped", message="no AppArmor"))

    assert (spec.state, spec.reason, spec.at) == ("skip", "no AppArmor", "")


def test_specs_that_a_filter_left_out_are_no_outcome():
    assert specs_of(entry("skipped")) == []


def test_a_failing_preparation_of_the_suite_is_a_failure():
    assert specs_of(entry("passed", kind="BeforeSuite")) == []
    assert [s.state for s in specs_of(entry("failed", kind="BeforeSuite"))] == ["fail"]


def test_the_dump_of_a_go_error_is_left_out_of_a_reason():
    (spec,) = specs_of(
        entry(
            "failed",
            message="Unexpected error: <*status.Error | 0x1>: rpc error: desc = no { s: { s:",
        )
    )

    assert spec.reason == "rpc error: desc = no"


def test_an_outcome_survives_being_stored():
    stored = outcome("crun, SPDY", Spec("a", "pass"), Spec("b", "fail", "why", "x.go:1"))

    restored = Outcome.from_json(stored.to_json())

    assert restored.specs == list(stored.specs)
    assert restored.count("fail") == 1


def test_the_report_has_a_column_a_run_and_a_line_a_spec():
    text = report.text(
        [
            outcome("one", Spec("a", "pass"), Spec("b", "fail", "why", "x.go:1")),
            outcome("two", Spec("a", "pass"), Spec("c", "skip", "no AppArmor")),
        ]
    )

    assert "| 1 | one | 2026-01-02 | 1 | 1 | 0 | 12 | crun 1.8.1 |" in text
    assert "- why (x.go:1)\n  - `b` (run 1)" in text
    assert "- no AppArmor\n  - `c` (run 2)" in text
    assert "| a | pass | pass |" in text
    assert "| b | **FAIL** |  |" in text
    assert "| c |  | skip |" in text


def test_a_reason_is_listed_once_for_all_its_specs_and_runs():
    run = outcome("one", Spec("a", "skip", "no AppArmor"), Spec("b", "skip", "no AppArmor"))

    text = report.text([run, run])

    assert "- no AppArmor\n  - `a` (every run)\n  - `b` (every run)" in text


def test_the_features_of_each_oci_runtime_are_listed_once():
    of = {"crun 1.8.1": {"user_namespaces": True}, "runc 1.0": {"user_namespaces": False}}
    runs = [replace(outcome(name), features={name: of[name]}) for name in (*of, "crun 1.8.1")]

    text = report.text(runs)

    assert "| feature | crun 1.8.1 | runc 1.0 |" in text
    assert "| user_namespaces | yes | no |" in text


def test_crictls_own_tests_have_a_part_of_their_own():
    run = replace(outcome("crictl, crun", Spec("crictl: pull", "fail", "why")), suite="crictl")

    text = report.text([outcome("one", Spec("a", "pass")), run])

    suite, _, crictl = text.partition("## crictl's own tests")
    assert "pull" not in suite
    assert "| 1 | crictl, crun | 2026-01-02 | 0 | 1 | 0 | 12 | crun 1.8.1 |" in crictl
    assert "| crictl: pull | **FAIL** |" in crictl


def test_the_report_mentions_missing_runs_of_crictls_own_tests():
    assert "Not run: the source tree of cri-tools" in report.text([outcome("one")])


def test_the_report_mentions_the_exchanged_digest():
    assert "that one constant is exchanged" in report.text([outcome("one")])


def test_only_the_digest_is_exchanged_in_the_copy(tmp_path: Path):
    original = tmp_path / "critest"
    original.write_bytes(b"\x7fELF " + tools.FOREIGN_DIGEST.encode() + b" end")
    digest = "sha256:" + "a" * 64

    assert tools.with_digest(original, digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"\x7fELF " + digest.encode() + b" end"


def test_a_suite_without_the_digest_is_copied_as_it_is(tmp_path: Path):
    original = tmp_path / "critest"
    original.write_bytes(b"\x7fELF another one")

    assert not tools.with_digest(original, "sha256:" + "a" * 64, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == original.read_bytes()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("crun version 1.8.1\ncommit: f8a096be\n", "1.8.1"),
        ("runc version 1.1.5+ds1\n", "1.1.5+ds1"),
        ("critest version: v1.34.0\nPASS\n", "1.34.0"),
        ("critest version: unknown\nPASS\n", "unknown"),
    ],
)
def test_versions_are_read_from_what_programs_print(text, version):
    assert tools.version_in(text) == version


def test_libraries_are_read_from_ldd():
    text = (
        "\tlinux-vdso.so.1 (0x00007f)\n"
        "\tlibz.so.1 => /lib/libz.so.1 (0x00007f)\n"
        "\tlibssl.so.3 => not found\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n"
    )

    assert dict(parse_ldd(text)) == {
        "libz.so.1": "/lib/libz.so.1",
        "libssl.so.3": None,
        "/lib64/ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2",
    }


def test_every_public_name_leads_to_the_mirror():
    conf = mirror.registries_conf("127.0.0.1:5000")

    assert 'prefix = "registry.k8s.io"\nlocation = "127.0.0.1:5000"\n' in conf
    assert 'location = "127.0.0.1:5000/k8s-staging-cri-tools"\n' in conf


def test_the_command_line_sets_transport_processes_and_focus():
    suite = Suite(Path("/critest"), "1", True, Path("/logs"), ["HostPID"], ["AppArmor"])

    words = arguments(Combination("crun", "", True, 4), suite, Path("/cri.sock"), Path("/nri.sock"))

    assert words[:3] == ["/critest", "--runtime-endpoint", "unix:///cri.sock"]
    assert "--nri-socket=/nri.sock" in words
    assert {"--websocket-exec", "--websocket-attach", "--websocket-portforward"} < set(words)
    assert {"--parallel=4", "--ginkgo.focus=HostPID", "--ginkgo.skip=AppArmor"} < set(words)


def test_only_unattached_segments_of_the_size_that_specs_make_are_swept():
    table = (
        "       key      shmid perms                  size  cpid  lpid nattch   uid\n"
        "         1          7   600               1048576    10    11      0     0\n"
        "         2          8   600               1048576    10    11      1     0\n"
        "         3          9   600                  4096    10    11      0     0\n"
    )

    assert segments.unused(table) == {"7"}
    assert segments.unused(table.splitlines()[0]) == set()
