"""login and logout: the auth file, and passwords from the right place."""

import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.cli import credentials, main
from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import InvalidArgument
from tests.fixtures.odd_registry import OddRegistry


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        yield registry


def test_login_keeps_what_others_have_in_a_file_that_only_its_owner_reads(
    tmp_path: Path,
    odd: OddRegistry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "new" / "auth.json"
    credentials.keep(file, "first.example", "me", "one")
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    flags = ["--authfile", str(file), "-u", "robot", "--password-stdin"]
    assert main(["login", *flags, f"https://{odd.host}/v2/"]) == 0
    assert "s3cret" not in capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["auths"].keys() == {"first.example", odd.host}
    assert credentials.of(str(file), odd.host) == ("robot", "s3cret")

    assert main(["logout", "--authfile", str(file), "first.example"]) == 0
    assert credentials.of(str(file), "first.example") is None
    assert main(["logout", "--authfile", str(file), "first.example"]) == 4
    assert [path.name for path in file.parent.iterdir()] == ["auth.json"]


def test_refused_credentials_are_not_kept(
    tmp_path: Path,
    odd: OddRegistry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd.require, odd.challenge = set(), 'Basic realm="x"'
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret"))
    flags = ["--authfile", str(tmp_path / "auth.json"), "-u", "robot", "--password-stdin"]

    assert main(["login", *flags, odd.host]) == 1

    said = capsys.readouterr().err
    assert f"the credentials are not kept: {odd.host} refuses user 'robot'" in said
    assert "s3cret" not in said
    assert not (tmp_path / "auth.json").exists()


def test_a_password_is_never_asked_from_what_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    assert credentials.user_and_password("me:se:cret") == ("me", "se:cret")
    with pytest.raises(UsageError, match="input is not a terminal"):
        credentials.user_and_password("me")
    with pytest.raises(UsageError, match="the user name is empty"):
        credentials.user_and_password(":x")


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": []}'])
def test_a_file_that_has_no_credentials_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text(text)
    with pytest.raises(InvalidArgument, match="is not a file of credentials"):
        credentials.keep(file, "r.example", "me", "x")
    assert file.read_text() == text
