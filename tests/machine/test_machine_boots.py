"""A node that is shut down, or whose power is cut, with pods on it."""

import time

from tests.machine.conftest import Machine

RESTARTED = ["CONTAINER_EXITED", 255, "Error", "the node was restarted"]
ENDED = ["CONTAINER_EXITED", 3, "Error", ""]


def test_a_reboot_keeps_the_grace_of_containers_and_all_records(machine: Machine) -> None:
    there = machine.ask("populate")
    seconds = machine.reboot()
    after = machine.ask("look")
    assert after["pods"] == {there["pod"]: "SANDBOX_NOTREADY"}
    # An exit from while the daemon still ran is recorded with its code.
    assert after["containers"][there["deaf"]][:2] in (RESTARTED[:2], ["CONTAINER_EXITED", 137])
    assert after["containers"][there["slow"]][:2] in (RESTARTED[:2], ["CONTAINER_EXITED", 0])
    assert after["containers"][there["ended"]] == ENDED
    assert after["witness"] == ["slow"]  # its 3 s to end were granted
    assert seconds < 60  # a container deaf to SIGTERM has not held it up for 90
    assert (after["leases"], after["retries"], after["failed units"]) == ([], {}, [])
    done = machine.ask("work")
    assert (done["said"], done["pods"], done["containers"]) == ("alive\n", {}, {})


def test_after_a_power_cut_records_images_and_addresses_are_whole(machine: Machine) -> None:
    there = machine.ask("populate")
    time.sleep(2)  # what is older than a second is on the disk
    machine.cut_power()
    after = machine.ask("look")
    assert after["pods"] == {there["pod"]: "SANDBOX_NOTREADY"}
    assert after["containers"][there["deaf"]] == RESTARTED
    assert after["containers"][there["slow"]] == RESTARTED
    assert after["containers"][there["ended"]] == ENDED
    assert (after["leases"], after["retries"], after["failed units"]) == ([], {}, [])
    done = machine.ask("work")
    assert (done["said"], done["pods"], done["leases"]) == ("alive\n", {}, [])


def test_power_cuts_in_the_middle_of_work_break_nothing(machine: Machine) -> None:
    for seconds in (3, 7):
        machine.begin("churn")
        time.sleep(seconds)
        machine.cut_power()
        done = machine.ask("work")
        assert (done["said"], done["pods"], done["leases"]) == ("alive\n", {}, [])
        assert (done["retries"], done["failed units"]) == ({}, [])
