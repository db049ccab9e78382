"""hack/node-e2e: the page lists the specs that pass with only one of the runtimes."""

from dataclasses import replace

from hack.critestlib.outcome import Spec, State
from hack.nodee2elib import causes, record, report


def run_of(runtime: str, **states: State) -> record.Run:
    specs = tuple(
        Spec(name, state, reason="it is so" if state != "pass" else "")
        for name, state in states.items()
    )
    versions = {"Kubernetes": "v1.37.2", runtime: "1.0"}
    return record.Run("conformance", runtime, "2026-01-02", versions, "a machine", 16, 10.0, specs)


def test_a_spec_that_passes_only_with_containerd_is_listed():
    page = report.text(
        [
            run_of("cri-shim", a="pass", b="fail", c="fail"),
            run_of("containerd", a="fail", b="pass", c="fail"),
        ]
    )

    lost = page.partition("Pass with containerd and fail with cri-shim:")[2].partition("Pass with")[
        0
    ]
    assert "- `b`" in lost
    assert "`a`" not in lost
    assert "`c`" not in lost


def test_a_group_without_containerd_is_not_compared():
    assert "No group was run with containerd." in report.text([run_of("cri-shim", a="pass")])


def test_a_failure_stands_below_its_cause_and_a_skip_below_its_reason():
    page = report.text([run_of("cri-shim", a="fail", b="skip")])

    assert f"- {causes.UNKNOWN}\n  - `a` (cri-shim): it is so" in page
    assert "- it is so\n  - `b` (cri-shim)" in page


def test_a_run_that_was_ended_early_says_how_many_specs_are_left():
    run = replace(run_of("cri-shim", a="pass", b="fail"), selected=5)

    assert "- NodeConformance, cri-shim: the run was ended before 3 of its 5 specs" in report.text(
        [run]
    )
    assert "was ended" not in report.text([replace(run, selected=2)])


def test_an_outcome_is_the_same_after_it_was_stored():
    run = run_of("cri-shim", a="pass", b="fail")

    assert record.Run.from_json(run.to_json()) == run


def test_a_spec_that_passes_in_a_second_run_is_marked():
    first = run_of("cri-shim", a="pass", b="fail", c="fail")

    run = first.with_second_try(run_of("cri-shim", b="pass", c="fail"))

    assert [spec.state for spec in run.specs] == ["pass", "pass", "fail"]
    assert list(run.again) == ["b"]
    assert "NodeConformance, cri-shim: `b`" in report.text([run])


def test_a_run_that_was_ended_is_continued_with_the_versions_of_both():
    first = replace(run_of("cri-shim", a="pass"), selected=2, versions={"crun": "1", "Linux": "6"})
    later = replace(
        run_of("cri-shim", b="fail"), date="2999-01-01", versions={"crun": "2", "Linux": "6"}
    )

    run = first.continued(later)

    assert [(spec.name, spec.state) for spec in run.specs] == [("a", "pass"), ("b", "fail")]
    assert (run.undone(), run.date) == (0, "2999-01-01")
    assert run.versions == {"crun": "1, then 2", "Linux": "6"}
    assert run.seconds == first.seconds + later.seconds


def test_a_known_cause_is_found_by_the_suites_output():
    said = 'stderr "ip: RTNETLINK answers", cmd [ip link add dummy1 type dummy]'

    assert "dummy network devices" in causes.cause("PrivilegedPod", said)
    assert causes.cause("PrivilegedPod", "Timed out") == causes.UNKNOWN
