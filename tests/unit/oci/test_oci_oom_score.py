"""The OOM score that an exec is started with."""

import subprocess

from cri_shim.linux import process
from cri_shim.oci.oom_score import scored

OWN = process.own_oom_score_adj()
SHOW = ["/bin/sh", "-c", 'cat /proc/self/oom_score_adj; echo "$0" "$@"; exit 3', "a b", "c$d"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_command_has_its_containers_score_and_its_own_arguments() -> None:
    done = run(scored(SHOW, {"oomScoreAdj": min(OWN + 7, 1000)}))
    assert done.stdout == f"{min(OWN + 7, 1000)}\na b c$d\n"
    assert (done.returncode, done.stderr) == (3, "")


def test_a_score_that_the_kernel_refuses_is_ignored() -> None:
    done = run(scored(SHOW, {"oomScoreAdj": 5000}))
    assert done.stdout == f"{OWN}\na b c$d\n"
    assert (done.returncode, done.stderr) == (3, "")


def test_without_a_score_no_shell_is_started() -> None:
    assert scored(SHOW, {}) == SHOW
    assert scored(SHOW, {"oomScoreAdj": OWN}) == SHOW
    missing = ["/no/such/runtime", "exec"]
    assert scored(missing, {"oomScoreAdj": OWN + 1}) == missing
