"""What the recorder counts: calls, operations, stages, programs, exits."""

from cri_shim.activity import Operation, Step, Subject
from cri_shim.activity.caller import Caller
from cri_shim.metrics.histogram import Histograms
from cri_shim.metrics.recorder import Recorder
from cri_shim.pb import state_pb2 as state

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")


def made() -> Recorder:
    return Recorder(lambda container: "pod")


def counts(histograms: Histograms) -> dict[tuple[str, ...], int]:
    return {labels: sum(histogram.counts) for labels, histogram in histograms.items()}


def ended(operation: Operation | None, step: Step, seconds: float = 0.1) -> Step:
    step.operation = operation
    step.began, step.ended = 10.0, 10.0 + seconds
    return step


def container(**fields: object) -> state.ContainerRecord:
    return state.ContainerRecord(id="c", **fields)  # type: ignore[arg-type]


def test_a_call_is_in_flight_until_it_ends() -> None:
    recorder, call = made(), Caller("Status")
    recorder.call_began(call)
    assert recorder.in_flight == {"Status": 1}
    recorder.call_ended(call, "OK")

    assert recorder.in_flight == {"Status": 0}
    assert counts(recorder.calls) == {("Status", "OK"): 1}


def test_an_operation_is_counted_with_its_outcome() -> None:
    recorder = made()
    recorder.operation_ended(Operation("RunPodSandbox", POD), None)
    recorder.operation_ended(Operation("RunPodSandbox", POD), OSError())

    assert counts(recorder.operations) == {
        ("RunPodSandbox", "ok"): 1,
        ("RunPodSandbox", "failed"): 1,
    }


def test_a_stage_is_counted_by_the_verb_of_its_operation() -> None:
    recorder = made()
    recorder.step_ended(ended(Operation("RunPodSandbox", POD), Step("network")), "ok")

    assert counts(recorder.stages) == {("RunPodSandbox", "network"): 1}


def test_a_step_with_a_name_of_others_is_no_stage() -> None:
    recorder = made()
    recorder.step_ended(ended(Operation("CreateContainer", POD), Step("hook evil-name")), "ok")
    recorder.step_ended(ended(None, Step("network")), "ok")

    assert counts(recorder.stages) == {}


def test_a_program_is_counted_in_its_family_and_is_no_stage() -> None:
    recorder = made()
    cni = Step("CNI bridge ADD", counted=("cni", "bridge", "ADD"))
    oci = Step("crun start", counted=("oci", "crun", "start"))
    recorder.step_ended(ended(Operation("RunPodSandbox", POD), cni), "failed")
    recorder.step_ended(ended(None, oci), "ok")

    assert counts(recorder.programs["cni"]) == {("bridge", "ADD", "failed"): 1}
    assert counts(recorder.programs["oci"]) == {("crun", "start", "ok"): 1}
    assert counts(recorder.stages) == {}


def test_an_exit_is_counted_once() -> None:
    recorder = made()
    running, exited = container(), container(finished_at=5, reason="Error")
    recorder.changed(running, exited)
    recorder.changed(exited, container(finished_at=5, reason="Error", phase=6))
    recorder.changed(exited, None)

    assert recorder.exits == {"Error": 1}


def test_a_kill_for_memory_is_counted_by_its_level() -> None:
    recorder = made()
    recorder.changed(container(), container(finished_at=5, reason="OOMKilled"))

    assert recorder.oom_kills == {"pod": 1}


def test_an_unknown_reason_is_other() -> None:
    recorder = made()
    recorder.changed(container(), container(finished_at=5, reason="of another version"))

    assert recorder.exits == {"other": 1}
