"""[[sockets]] in files: which tables there are, and what is told of a wrong one."""

from pathlib import Path

import pytest

from cri_shim.config import Config, Places, load
from cri_shim.config.failures import each
from cri_shim.config.schema import SOCKET_KEYS, SocketTable
from cri_shim.config.sockets import MOST
from cri_shim.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(file: Path, text: str, *, drop_in: str = "", **flags: str) -> Config:
    file.write_text(text)
    directory = file.parent / "config.d"
    directory.mkdir(exist_ok=True)
    (directory / "a.toml").write_text(drop_in)
    return load(file, flags, Places(own=Path("/nowhere"), drop_ins=directory, libpod=()))


def test_each_table_is_a_socket_in_the_order_of_the_files(file: Path) -> None:
    text = """
[[sockets]]
path = "/run/a.sock"
[[sockets]]
path = "/run/b.sock"
role = "exec"
verbs = ["StopContainer"]
uids = [1000, 0]
mode = "0600"
[server]
log_level = "debug"
"""
    config = loaded(file, text, drop_in='[[sockets]]\npath = "/run/c.sock"\ngroup = "adm"')
    assert config.sockets == (
        SocketTable(Path("/run/a.sock")),
        SocketTable(Path("/run/b.sock"), "exec", ("StopContainer",), (1000, 0), mode="0600"),
        SocketTable(Path("/run/c.sock"), group="adm"),
    )
    assert config.server.log_level == "debug"


def test_inline_tables_are_the_same(file: Path) -> None:
    config = loaded(file, 'sockets = [{path = "/run/a"}, {path = "/run/b", role = "full"}]')
    assert [(str(t.path), t.role) for t in config.sockets] == [
        ("/run/a", "read-only"),
        ("/run/b", "full"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('role = "exec"', 2, "sockets.path: it must be set"),
        ("", 1, "sockets.path: it must be set"),
        ('path = "/a"\nrole = "root"', 3, "sockets.role: must be one of read-only"),
        ('path = "/a"\nroll = "exec"', 3, "unknown key sockets.0.roll; did you mean role?"),
        ('path = "/a"\nxyz = 1', 3, "keys of [[sockets]] are path, role"),
        ('path = "/a"\nverbs = ["StopContainr"]', 3, "did you mean StopContainer?"),
        ('path = "/a"\nuids = ["root"]', 3, "expected a list of integers"),
        ('path = "/a"\nuids = [-1]', 3, "-1 is not the id of a user or group"),
        ('path = "/a"\nuids = [true]', 3, "expected a list of integers"),
        ('path = "/a"\nmode = "rw"', 3, "must be the mode of a file"),
        ('path = "/a"\nmode = 0o660', 3, "expected a string"),
        ('path = "a"', 2, "must be an absolute path"),
        (f'path = "/{"x" * 120}"', 2, "longer than the 107 bytes"),
        ('path = "/run/cri-shim/cri-shim.sock"', 2, "is server.socket, which has no role"),
        ('path = "/a"\n[[sockets]]\npath = "/a"', 4, "/a is in an earlier [[sockets]]"),
    ],
)
def test_a_wrong_table_is_told_with_its_line(
    file: Path, text: str, line: int, problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(file, f"[[sockets]]\n{text}\n")
    (told,) = each(refused.value)
    assert told.startswith(f"{file}:{line}: ")
    assert problem in told


def test_the_number_of_sockets_is_bounded(file: Path) -> None:
    tables = "".join(f'[[sockets]]\npath = "/run/{n}"\n' for n in range(MOST + 1))
    with pytest.raises(ConfigError, match=f"there are {MOST + 1}; {MOST} are allowed"):
        loaded(file, tables)


@pytest.mark.parametrize("text", ["sockets = 5", 'sockets = ["/a"]', "[sockets]\npath = '/a'"])
def test_what_is_no_array_of_tables_is_refused(file: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="sockets"):
        loaded(file, text)


def test_a_flag_cannot_add_a_socket(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"flag sockets\.0\.path: unknown key"):
        loaded(file, "", **{"sockets.0.path": "/a"})


def test_a_command_may_name_a_socket_with_a_role(file: Path) -> None:
    config = loaded(file, '[[sockets]]\npath = "/a"', **{"server.socket": "/a"})
    assert config.server.socket == config.sockets[0].path


def test_every_key_is_explained() -> None:
    assert [key.name for key in SOCKET_KEYS.values() if not key.doc] == []
