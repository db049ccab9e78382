"""Odd files in the place of a file that others write: they are reported, and nothing else happens.

Every reader gets the same odd files. Each has one documented outcome: it skips the file and uses
the good one beside it, or it refuses with one error. No reader hangs or fails otherwise.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cri_shim.config.load import Places, load
from cri_shim.containers import cdi
from cri_shim.default_mounts import DefaultMounts
from cri_shim.errors import ConfigError, InvalidArgument, RootlessError, WrongState
from cri_shim.hooks.directories import Hooks
from cri_shim.isolation import selinux
from cri_shim.isolation.oom_kills import OomKills
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.linux import marks
from cri_shim.network import conflist, user_records
from cri_shim.network.cache import Cache, CachedResult
from cri_shim.oci import bundle, exits, handlers
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import files
from cri_shim.registry.registries_conf import _drop_ins as registries_drop_ins
from cri_shim.rootless import holder, mapping
from cri_shim.state import records
from cri_shim.state.memory import MemoryStore
from cri_shim.store import registries
from cri_shim.store.archives import auth
from cri_shim.store.mounting import mounted
from cri_shim.streaming.certificate import Certificate
from cri_shim.untrusted import MAX_FILES, printable
from tests.fixtures import odd_files

TIMEOUT_S = 20  # for the slowest reader on a busy machine
ID = "a" * 64
GOOD_LIST = {"cniVersion": "1.0.0", "name": "good", "plugins": [{"type": "bridge"}]}
GOOD_HOOK = {
    "version": "1.0.0",
    "hook": {"path": "/bin/true"},
    "when": {"always": True},
    "stages": ["prestart"],
}
GOOD_CDI = {"cdiVersion": "0.6.0", "kind": "good.com/gpu", "devices": [{"name": "0"}]}


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Make a reader fail if it blocks, for example on a FIFO."""

    def fail(*_: object) -> None:
        raise AssertionError(f"it is still reading after {TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def network_list(file: Path) -> str:
    (file.parent / "99-good.conflist").write_text(json.dumps(GOOD_LIST))
    loaded = conflist.load(file.parent)
    assert [network.name for network in loaded.networks] == ["good"]
    return "; ".join(loaded.problems)


def plugin_of_a_network(file: Path) -> str:
    """A plugin in a file of its own: CNI 1.1."""
    directory = file.parent.parent
    lacking = {"cniVersion": "1.0.0", "name": file.parent.name}
    whole = directory / "50-lacking.conflist"
    whole.write_text(json.dumps(lacking))
    told = network_list(whole)
    return f"{told} {file}" if f"{whole}: plugins[0]" in told else told


def hook(file: Path) -> str:
    (file.parent / "good.json").write_text(json.dumps(GOOD_HOOK))
    found = Hooks([file.parent]).scan()
    assert [definition.name for definition in found.definitions] == ["good.json"]
    return "; ".join(found.bad)


def default_mounts(file: Path) -> str:
    assert DefaultMounts([file]).lines() == []
    return ""


def cdi_file(file: Path) -> str:
    (file.parent / "good.json").write_text(json.dumps(GOOD_CDI))
    cdi._edits((file.parent,), {"good.com/gpu=0": "config.CDI_devices[0].name"})
    with pytest.raises(InvalidArgument) as missed:
        cdi._edits((file.parent,), {"good.com/gpu=1": "config.CDI_devices[0].name"})
    return str(missed.value)


def registries_conf(file: Path) -> str:
    drop_ins = file.with_name(f"{file.name}.d")
    drop_ins.mkdir()
    (drop_ins / "good.conf").write_text('unqualified-search-registries = ["good.example"]\n')
    found = registries.overview(file)
    assert found.search == ["good.example"]
    return "; ".join(found.problems)


def registries_drop_in(file: Path) -> str:
    main = file.parent.with_suffix("")
    main.write_text('unqualified-search-registries = ["good.example"]\n')
    found = registries.overview(main)
    assert found.search == ["good.example"]
    return "; ".join(found.problems)


def credentials(file: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(file))
        patch.setenv("HOME", str(file.parent))
        good = file.parent / ".docker" / "config.json"
        good.parent.mkdir()
        good.write_text('{"auths": {"good.example": {}}}')
        found = auth._node_file()
    return "" if found == {"auths": {"good.example": {}}} else f"{file} is used"


def seccomp_profile(file: Path) -> str:
    profiles = SeccompProfiles([], architecture="amd64")
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(profiles._local(str(file), "seccomp"))
    return str(refused.value)


def configuration(file: Path) -> str:
    return refusal(ConfigError, load, file)


def configuration_drop_in(file: Path) -> str:
    places = Places(own=file.parent / "none.toml", drop_ins=file.parent, libpod=())
    return refusal(ConfigError, lambda: load(places=places))


def certificate(file: Path) -> str:
    return refusal(ConfigError, Certificate(file, file).load)


def mark(file: Path) -> str:
    said = marks.read(file)
    assert len(said) <= marks.LIMIT
    return f"{file}" if said else ""


def subordinate_ids(file: Path) -> str:
    with pytest.raises(RootlessError) as refused:
        mapping.of_user(1000, 1000, "someone", subuid=file, subgid=file)
    return str(refused.value)


def contexts(file: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selinux, "_CONFIG", file)
        assert selinux._contexts() == ""
    return f"{file}"


def cached_result(file: Path) -> str:
    cache = Cache(file.parent.parent)
    cache.write(CachedResult(ID, "good", "eth0", b"{}"))
    assert [entry.network for entry in cache.entries()] == ["good"]
    assert cache.read("odd", ID, "eth0") is None
    cache.remove("odd", ID, "eth0")
    return ""


def refusal(kind: type[Exception], read: Callable[..., object], *args: object) -> str:
    try:
        read(*args)
    except kind as e:
        return str(e)
    return ""


def absent(read: Callable[[Path], object]) -> Callable[[Path], str]:
    """A reader of our own files: an odd file counts as absent."""

    def reader(file: Path) -> str:
        assert read(file) is None
        return f"{file}"

    return reader


def held(run_root: Path) -> None:
    with holder.record(run_root) as record:
        assert record.read() is None


def no_other_error(*errors: type[Exception]) -> Callable[..., Callable[[Path], str]]:
    """A reader whose caller adds the name of the file to the error."""

    def of(read: Callable[[Path], object]) -> Callable[[Path], str]:
        def reader(file: Path) -> str:
            with suppress(*errors):
                read(file)
            return f"{file}"

        return reader

    return of


@dataclass(frozen=True)
class Reader:
    """`fine`: contents that are valid here, so that nothing is reported."""

    name: str  # of the file, below a directory of its own
    read: Callable[[Path], str]  # what it reports; what it logs counts as well
    fine: frozenset[str] = frozenset()


BLANK = frozenset({"empty"})
DIRECTORY = frozenset({"a directory"})
NOWHERE = frozenset({"a link to nowhere"})
_own = no_other_error(OSError, ValueError)
READERS = {
    "CNI list": Reader("10-odd.conflist", network_list, DIRECTORY),
    "CNI plugin": Reader("10-odd.conf", network_list, DIRECTORY),
    "plugin beside a CNI list": Reader("net/10-odd.conf", plugin_of_a_network),
    "hook": Reader("odd.json", hook),
    "mounts.conf": Reader("mounts.conf", default_mounts, BLANK),
    "CDI JSON": Reader("odd.json", cdi_file),
    "CDI YAML": Reader("odd.yaml", cdi_file),
    "registries.conf": Reader("registries.conf", registries_conf, BLANK),
    "drop-in of registries.conf": Reader("registries.conf.d/odd.conf", registries_drop_in, BLANK),
    "credentials": Reader("odd-auth.json", credentials),
    "seccomp profile": Reader("odd.json", seccomp_profile),
    "configuration": Reader("config.toml", configuration, BLANK),
    "configuration of libpod": Reader("libpod.conf", configuration, BLANK),
    "drop-in of the configuration": Reader("odd.toml", configuration_drop_in, BLANK),
    "mark": Reader("alive", mark, BLANK | NOWHERE),
    "subuid": Reader("subuid", subordinate_ids),
    "SELinux configuration": Reader("config", contexts),
    "cached CNI result": Reader(f"results/odd-{ID}-eth0", cached_result, NOWHERE),
    "network process": Reader("pod.json", absent(user_records.read)),
    "memory of a handler": Reader("x.json", absent(lambda f: handlers._stored(f, []))),
    "holder of an unprivileged user": Reader(
        holder.NAME, no_other_error(RootlessError)(lambda f: held(f.parent))
    ),
    "account of kills": Reader(
        "pod.slice.json", absent(lambda f: OomKills(f.parent)._load(Path("/sys/pod.slice")))
    ),
    "exit file": Reader("exit", _own(lambda f: exits.read(ID, f.parent))),
    "OCI document": Reader("config.json", _own(lambda f: bundle.spec(f.parent))),
    "layers of a mounted image": Reader("layers", _own(mounted._layers)),
    "certificate": Reader("tls.pem", certificate),
    "resolv.conf of the node": Reader(
        "resolv.conf", no_other_error(WrongState)(lambda f: files._host_file(str(f)))
    ),
}


@pytest.mark.parametrize("odd", odd_files.ALL)
@pytest.mark.parametrize("name", READERS)
def test_an_odd_file_is_reported_and_nothing_else(
    name: str, odd: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = READERS[name]
    file = tmp_path / "where" / reader.name
    file.parent.mkdir(parents=True)
    odd_files.ALL[odd](file)
    with caplog.at_level(logging.WARNING):
        told = reader.read(file) + "; ".join(caplog.messages)
    assert printable(file) in told or odd in reader.fine
    assert told.isprintable()


DIRECTORIES: dict[str, Callable[[Path], object]] = {
    "CNI": conflist.load,
    "hooks": lambda d: Hooks([d], optional=True).usable(),
    "CDI": lambda d: cdi._files(d, []),
    "drop-ins of registries.conf": lambda d: registries_drop_ins(d, []),
    "CNI cache": lambda d: list(Cache(d).entries()),
    "drop-ins of the configuration": lambda d: refusal(
        ConfigError, lambda: load(places=Places(own=d / "none", drop_ins=d, libpod=()))
    ),
}
NO_DIRECTORIES = {"a file": Path.touch, **odd_files.THINGS}


@pytest.mark.parametrize("odd", NO_DIRECTORIES)
@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_path_that_is_not_a_directory_has_no_files(name: str, odd: str, tmp_path: Path) -> None:
    NO_DIRECTORIES[odd](tmp_path / "directory")
    DIRECTORIES[name](tmp_path / "directory")


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_whose_name_is_too_long_has_no_files(name: str, tmp_path: Path) -> None:
    DIRECTORIES[name](tmp_path / ("x" * 5000))


def test_a_directory_of_too_many_files_is_reported(tmp_path: Path) -> None:
    for n in range(MAX_FILES + 1):
        (tmp_path / f"{n}.json").touch()
    (problem,) = conflist.load(tmp_path).problems
    assert problem.startswith(f"{tmp_path}: has more than {MAX_FILES} files")


def test_a_file_whose_name_is_not_utf8_is_reported_in_plain_text(tmp_path: Path) -> None:
    (Path(os.fsdecode(bytes(tmp_path) + b"/\xff.conflist"))).write_text("{")
    (problem,) = conflist.load(tmp_path).problems
    assert "\\udcff.conflist: not JSON" in problem


@pytest.mark.parametrize("odd", odd_files.CONTENTS)
@pytest.mark.parametrize("kind", ["pod", "container", "image", "layer"])
def test_a_record_of_odd_content_is_set_aside(kind: str, odd: str) -> None:
    store = MemoryStore()
    store.put(kind, "odd", odd_files.CONTENTS[odd])
    types = {
        "pod": state.PodRecord,
        "container": state.ContainerRecord,
        "image": state.ImageRecord,
        "layer": state.LayerRecord,
    }
    assert list(records.load(store, kind, types[kind])) == []
    assert store.get("quarantine", f"{kind}/odd") == odd_files.CONTENTS[odd]
