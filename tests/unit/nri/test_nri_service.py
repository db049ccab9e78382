"""The default validator of a configuration; and NRI costs nothing where it is off."""

import sys
from pathlib import Path

from cri_shim.aio import child
from cri_shim.config import NRI
from cri_shim.nri.rules import Rules
from cri_shim.nri.service import rules

TOP = Path(__file__).parents[3]


def test_the_default_validator_is_off_unless_it_is_enabled() -> None:
    assert rules(NRI(reject_hooks=True)) is None


def test_every_rule_has_a_key() -> None:
    keys = NRI(
        default_validator=True,
        reject_hooks=True,
        reject_unconfined_seccomp=True,
        reject_runtime_default_seccomp=True,
        reject_custom_seccomp=True,
        reject_namespaces=True,
        reject_sysctls=True,
        required_plugins=("a",),
        tolerate_missing_annotation="b",
    )

    assert rules(keys) == Rules(True, True, True, True, True, True, ("a",), "b")


async def test_without_nri_none_of_it_is_imported() -> None:
    code = (
        "import sys, cri_shim.runtime, cri_shim.rpc.server;"
        " print([m for m in sys.modules if 'nri' in m.split('.') or 'nri_pb' in m or 'ttrpc' in m])"
    )

    ran = await child.run([sys.executable, "-c", code], cwd=str(TOP), timeout=60)

    assert (ran.returncode, ran.stdout) == (0, b"[]\n")
