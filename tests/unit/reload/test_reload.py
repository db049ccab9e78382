"""A reload: all or nothing, one at a time, with an answer for each key."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from cri_shim import assembly
from cri_shim.assembly import Prepared, Programs
from cri_shim.config import Config, load
from cri_shim.config.failures import each
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError
from cri_shim.log import setting
from cri_shim.reload import Reloading

PROGRAMS = Programs(Path("/bin/true"), "", "")


class FakeEngine:
    def __init__(self) -> None:
        self.replaced: list[object] = []
        self.limits: tuple[float, float] | None = None
        self.live = self.network = self

    def replace(self, settings: object) -> None:
        self.replaced.append(settings)

    def limit(self, add: float, delete: float) -> None:
        self.limits = add, delete

    def alive(self) -> None:
        """The runtime is open."""


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "config.toml"
    found.write_text("")
    return found


@pytest.fixture(autouse=True)
def prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    async def made(engine: Any, programs: Programs, running: Config, wanted: Config) -> Prepared:
        await asyncio.sleep(0)
        return Prepared(wanted, programs, cast(Any, wanted), ())

    monkeypatch.setattr(assembly, "prepare", made)
    monkeypatch.setattr(setting, "is_set_up", lambda: False)  # other tests set up a log
    monkeypatch.setattr("cri_shim.report.refused.look", lambda config: [])


def reloading(file: Path, **flags: str) -> Reloading:
    return Reloading(load(file, flags), PROGRAMS, file, flags)


async def test_changed_keys_take_effect_and_others_are_reported(
    engine: FakeEngine, file: Path
) -> None:
    ours = reloading(file)
    file.write_text('max_log_size = 5\nstate = "memory"\n[network]\nadd_timeout = 7\n')
    result = await ours.reload(cast(Engine, engine), None)
    assert str(result) == (
        "in force now: max_log_size, network.add_timeout; needs a restart: state"
    )
    assert result.facts()["changes"][0] == {
        "key": "max_log_size",
        "before": -1,
        "after": 5,
        "origin": f"{file}:1",
        "takesEffect": "reload",
        "applied": True,
    }
    assert (ours.config.max_log_size, ours.config.state) == (5, "leveldb")
    assert engine.limits == (7.0, 60.0)
    assert len(engine.replaced) == 1


async def test_a_wrong_file_changes_nothing_and_is_told_with_its_line(
    engine: FakeEngine, file: Path
) -> None:
    ours = reloading(file)
    before = ours.config
    file.write_text("max_log_size = 5\nmax_log_sise = 6\n")
    with pytest.raises(ConfigError, match=f"{file}:2: unknown key max_log_sise"):
        await ours.reload(cast(Engine, engine), None)
    assert (ours.config is before, engine.replaced) == (True, [])


async def test_a_setting_that_cannot_be_prepared_changes_nothing(
    engine: FakeEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> Prepared:
        raise ConfigError("hooks_dir /x does not exist")

    monkeypatch.setattr(assembly, "prepare", fails)
    ours = reloading(file)
    before = ours.config
    file.write_text("max_log_size = 5\n")
    with pytest.raises(ConfigError, match="hooks_dir"):
        await ours.reload(cast(Engine, engine), None)
    assert (ours.config is before, engine.replaced) == (True, [])


async def test_flags_keep_their_precedence(engine: FakeEngine, file: Path) -> None:
    ours = reloading(file, max_log_size="3")
    file.write_text("max_log_size = 5\n")
    assert str(await ours.reload(cast(Engine, engine), None)) == "nothing changed"
    assert ours.config.max_log_size == 3


async def test_what_a_start_would_refuse_is_refused_with_every_reason(
    engine: FakeEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cri_shim.problems import Finding, Level

    found = [
        Finding("a", Level.FAILS, "the policy is wrong", key="signature_policy_path"),
        Finding("b", Level.WARNING, "no profile is there", key="seccomp_profile"),
        Finding("c", Level.WARNING, "an old problem", key="hooks_dir"),
    ]
    monkeypatch.setattr("cri_shim.report.refused.look", lambda config: found)
    ours = reloading(file)
    file.write_text('seccomp_profile = ["/nowhere"]\n')
    with pytest.raises(ConfigError) as refused:
        await ours.reload(cast(Engine, engine), None)
    assert each(refused.value) == ("the policy is wrong", "no profile is there")


async def test_two_reloads_run_one_after_the_other(engine: FakeEngine, file: Path) -> None:
    ours = reloading(file)
    file.write_text("max_log_size = 5\n")
    both = (ours.reload(cast(Engine, engine), None) for _ in range(2))
    assert [str(result) for result in await asyncio.gather(*both)] == [
        "in force now: max_log_size",
        "nothing changed",
    ]


async def test_the_level_of_the_log_becomes_that_of_the_configuration(
    engine: FakeEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = ["debug"]
    monkeypatch.setattr(setting, "is_set_up", lambda: True)
    monkeypatch.setattr(setting, "current_level", lambda: level[-1])
    monkeypatch.setattr(setting, "set_level", level.append)
    result = await reloading(file).reload(cast(Engine, engine), None)
    assert str(result) == "in force now: server.log_level"
    assert level[-1] == "info"
