"""An operation becomes an entry: its steps are a tree, and every text is bounded."""

from cri_shim.activity import Operation, Step, Subject
from cri_shim.activity.operation import MOST_DONE
from cri_shim.timeline.recording import LONGEST, LONGEST_NAME, entry
from tests.unit.timeline.made import POD_ID, add, end, operation


def test_steps_are_a_tree_in_the_order_of_their_begin() -> None:
    made = operation()
    network = Step("network")
    add(made, "CNI b ADD", 2.0, 3.0, network)
    add(made, "CNI a ADD", 1.0, 2.0, network, "CNI plugin a")
    add(made, "namespaces", 0.25, 0.5)
    network.operation, network.outer = made, made.root
    network.began, network.ended = 101.0, 103.0
    made.done.append(network)

    found = entry(end(made, 4.0), 0)

    assert (found.verb, found.id, found.name, found.begin, found.seconds) == (
        "RunPodSandbox", POD_ID, "default/web", 1000.0, 4.0,
    )  # fmt: skip
    assert [(s.name, s.parent, s.begin, s.seconds) for s in found.stages] == [
        ("namespaces", -1, 0.25, 0.25),
        ("network", -1, 1.0, 2.0),
        ("CNI a ADD", 1, 1.0, 1.0),
        ("CNI b ADD", 1, 2.0, 1.0),
    ]
    assert found.stages[2].waited_for == "CNI plugin a"


def test_a_step_whose_outer_one_was_not_kept_is_in_the_next_one() -> None:
    made = operation()
    lost = Step("lost")
    lost.outer = made.root
    add(made, "kept", 0.0, 1.0, lost)
    assert [(s.name, s.parent) for s in entry(end(made, 1.0), 0).stages] == [("kept", -1)]


def test_what_is_open_lasts_until_now() -> None:
    made = operation()
    add(made, "network", 1.0, 0, text="the pod's network")
    found = entry(made, 105.0)
    assert (found.open, found.seconds) == (True, 5.0)
    (stage,) = found.stages
    assert (stage.open, stage.seconds, stage.waited_for) == (True, 4.0, "the pod's network")


def test_a_step_that_outlasts_its_operation_ends_with_it() -> None:
    made = operation()
    add(made, "release", 1.0, 0)
    assert entry(end(made, 3.0), 999.0).stages[0].seconds == 2.0


def test_a_text_that_was_true_only_while_it_waited_is_not_kept() -> None:
    made = operation()
    step = add(made, "layers", 0.0, 1.0)
    step._waits_for = lambda: "bytes of 3 layers"
    assert entry(end(made, 1.0), 0).stages[0].waited_for == ""


def test_every_text_is_one_line_of_a_bounded_length() -> None:
    made = operation(subject=Subject("pod", "n" * 9999, POD_ID, POD_ID))
    add(made, "s\n" * 999, 0.0, 1.0, text="\x1b[31m" * 999)
    found = entry(end(made, 1.0, "e" * 9999), 0)
    assert len(found.name) <= LONGEST
    assert len(found.failure) <= LONGEST
    assert len(found.stages[0].name) <= LONGEST_NAME
    assert len(found.stages[0].waited_for) <= LONGEST
    assert found.stages[0].waited_for.isprintable()


def test_the_number_of_stages_is_bounded_and_the_others_are_counted() -> None:
    made = operation()
    for n in range(MOST_DONE + 7):
        step = Step(f"step {n}")
        step.outer = made.root
        made.steps.append(step)
        step.began = step.ended = 100.0
        Operation.finished(made, step)
    found = entry(end(made, 1.0), 0)
    assert (len(found.stages), found.not_kept) == (MOST_DONE, 7)
