"""Handlers are believed when they have made a container, and leave nothing of it."""

import asyncio
import os
from pathlib import Path

import pytest

from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.linux import boot, mounts
from cri_shim.oci import handlers, smoke_test
from cri_shim.oci.handlers import Handler
from cri_shim.oci.runtime import ENVIRONMENT

BINARIES = {"crun": ["/no/crun", "/usr/bin/crun"], "runc": ["/usr/sbin/runc", "/usr/bin/runc"]}


async def probe(name: str, run_root: Path, candidates: list[str] | None = None) -> Handler:
    return await handlers.probe(
        name,
        BINARIES[name] if candidates is None else candidates,
        run_root=run_root,
        boot_id=boot.boot_id(),
        env=ENVIRONMENT,
    )


def trials() -> list[str]:
    return [str(p) for tree in Hierarchies().all() for p in tree.mount.glob("cri-shim-trial-*")]


async def test_both_runtimes_are_tested_in_parallel_and_work(subreaper, tmp_path):
    before = trials()
    crun, runc = await asyncio.gather(probe("crun", tmp_path), probe("runc", tmp_path))
    assert (crun.problem, runc.problem) == ("", "")
    assert (crun.version.split()[0], runc.version.split()[0]) == ("crun", "runc")
    assert runc.features.rro
    assert trials() == before
    assert sorted(p.name for p in (tmp_path / "handlers").iterdir()) == ["crun.json", "runc.json"]
    handlers.release(crun)
    handlers.release(runc)


async def test_crun_is_run_through_a_read_only_mount_of_itself(subreaper, tmp_path):
    crun, again = await probe("crun", tmp_path), await probe("crun", tmp_path)
    assert crun == again
    assert crun.run_path == tmp_path / "oci-bin" / "crun"
    assert os.statvfs(crun.run_path).f_flag & os.ST_RDONLY
    assert len(mounts.mounts_below(tmp_path)) == 1
    handlers.release(crun)
    handlers.release(crun)
    assert mounts.mounts_below(tmp_path) == []


async def test_the_mount_follows_a_binary_that_was_replaced(subreaper, tmp_path):
    binary = tmp_path / "crun"
    binary.write_bytes(Path("/usr/bin/crun").read_bytes())
    binary.chmod(0o755)
    await probe("crun", tmp_path, [str(binary)])
    fresh = tmp_path / "fresh"
    fresh.write_bytes(binary.read_bytes())
    fresh.chmod(0o755)
    fresh.rename(binary)
    handler = await probe("crun", tmp_path, [str(binary)])
    assert handler.run_path.samefile(binary)
    handlers.release(handler)


async def test_a_success_is_remembered_for_this_binary_and_boot(subreaper, tmp_path, monkeypatch):
    tries = []

    async def count(command, directory, **_):
        tries.append(directory.name)

    monkeypatch.setattr(smoke_test, "run", count)
    first, second = await probe("runc", tmp_path), await probe("runc", tmp_path)
    assert first == second
    assert tries == ["runc"]
    other_boot = await handlers.probe(
        "runc", BINARIES["runc"], run_root=tmp_path, boot_id="another", env=ENVIRONMENT
    )
    assert other_boot.problem == ""
    assert tries == ["runc", "runc"]


WITHOUT_FEATURES = """#!/bin/sh
[ "$1" = features ] && exit 1
for word; do
    case $word in --bundle=*) sed -i 's/"rro"/"{option}"/' "${{word#--bundle=}}/config.json" ;; esac
done
exec crun "$@"
"""


@pytest.mark.parametrize(("option", "known"), [("rro", True), ("ro", False), ("no-such", False)])
async def test_features_that_a_runtime_does_not_list_are_tested(subreaper, tmp_path, option, known):
    old = tmp_path / "old-crun"
    old.write_text(WITHOUT_FEATURES.format(option=option))
    old.chmod(0o755)
    handler = await probe("crun", tmp_path, [str(old)])
    assert (handler.problem, handler.features) == ("", handlers.Features(rro=known))
    handlers.release(handler)


async def test_a_missing_binary_is_a_problem_naming_the_paths_tried(tmp_path):
    handler = await probe("crun", tmp_path, ["/no/crun", "/neither/crun"])
    assert handler.problem == (
        "no OCI runtime for handler crun found; tried: /no/crun, /neither/crun"
    )


async def test_the_problem_of_a_failing_runtime_has_its_message(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo runc version 0 && exit 0\n'
        "echo 'cgroups are not what I know' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    handler = await probe("runc", tmp_path, [str(broken)])
    assert handler.problem == "trial of handler runc failed: cgroups are not what I know"
    assert list((tmp_path / "handlers").iterdir()) == []


@pytest.mark.parametrize("name", ["crun", "runc"])
async def test_a_trial_that_was_cut_short_is_cleared_by_the_next(
    subreaper, tmp_path, monkeypatch, name
):
    before = trials()

    async def die(*_):
        pass

    with monkeypatch.context() as killed:
        killed.setattr(smoke_test, "_clear", die)
        killed.setattr(smoke_test, "_kill", die)
        await probe(name, tmp_path)
    assert trials() != before
    (tmp_path / "handlers" / f"{name}.json").unlink(missing_ok=True)
    handler = await probe(name, tmp_path)
    assert handler.problem == ""
    assert trials() == before
    handlers.release(handler)
