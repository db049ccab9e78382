"""Failed ExecSyncs: the first is told, equal ones are counted."""

from cri_shim.rpc.exec_failures import ExecFailures
from tests.fixtures.waiting import until

PROBE = ["sh", "-c", "check --token s3cr3t"]


async def test_equal_failures_are_one_line_and_a_count(caplog) -> None:
    caplog.set_level("INFO")
    failures = ExecFailures()
    for _ in range(12):
        failures.note("c1", "container a/b/c (c1)", PROBE, "exit code 1")
    assert caplog.messages == ["container a/b/c (c1): exec failed: exit code 1"]
    failures.close()
    assert caplog.messages[1:] == ["container a/b/c (c1): exec failed 11 more times"]
    assert "s3cr3t" not in caplog.text


async def test_a_count_is_told_after_the_pause_until_it_fails_no_more(caplog) -> None:
    caplog.set_level("INFO")
    failures = ExecFailures(pause=0.01)
    failures.note("c1", "container c1", PROBE, "exit code 1")
    failures.note("c1", "container c1", PROBE, "exit code 1")
    await until(lambda: not failures._failing)
    assert len(caplog.messages) == 2
    assert "exec failed 1 more times in " in caplog.messages[1]
    failures.close()


async def test_another_result_container_or_command_is_told_at_once(caplog) -> None:
    caplog.set_level("INFO")
    failures = ExecFailures()
    failures.note("c1", "container c1", PROBE, "exit code 1")
    failures.note("c1", "container c1", PROBE, "exit code 2")
    failures.note("c2", "container c2", PROBE, "exit code 2")
    failures.note("c2", "container c2", ["true"], "exit code 2")
    assert len(caplog.messages) == 4
    failures.close()
