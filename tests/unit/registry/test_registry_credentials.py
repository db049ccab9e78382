"""Credentials: of the call, of auth files, of helpers; challenges."""

import json
from pathlib import Path

import pytest

from cri_shim.registry import credential_helper, credentials
from cri_shim.registry.auth_files import AuthFiles, places
from cri_shim.registry.challenge import Challenge, parse
from cri_shim.registry.credentials import Credential
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.failure import Failure
from tests.fixtures.images import basic_auth

OWN = Endpoint("real.example", "x")
MIRROR = Endpoint("m.example", "x", primary=False)


def files_of(*contents: object, directory: Path, helpers: dict[str, Credential]) -> AuthFiles:
    paths = []
    for number, content in enumerate(contents):
        path = directory / f"{number}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        paths.append(path)
    return AuthFiles(
        paths, lambda name, server: helpers.get(f"{name} {server}"), [], warnings.append
    )


warnings: list[str] = []


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    warnings.clear()


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        (None, None),
        ({}, None),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"auth": basic_auth("u", "p:p")}, Credential("u", "p:p")),
        ({"auth": "dXNlcjpw\nYXNz\n"}, Credential("user", "pass")),
        ({"identity_token": "t", "auth": "%"}, Credential(identity_token="t")),
        ({"registry_token": "t"}, Credential(registry_token="t")),
        ({"server_address": "x"}, None),
    ],
)
def test_the_call_s_credential(auth: dict[str, str] | None, found: Credential | None) -> None:
    assert credentials.of_call(auth) == found


@pytest.mark.parametrize("auth", [{"auth": "%%%"}, {"auth": "bm9jb2xvbg=="}, {"username": 7}])
def test_a_malformed_credential_is_an_argument_and_not_shown(auth: dict[str, object]) -> None:
    with pytest.raises(Failure, match="auth") as e:
        credentials.of_call(auth)

    assert e.value.kind == "argument"
    assert "bm9jb2xvbg" not in e.value.message


def test_a_credential_shows_no_secret() -> None:
    assert repr(Credential("user", "secret", "token", "other")) == "Credential()"


@pytest.mark.parametrize(
    ("address", "endpoint", "concerned"),
    [
        ("", OWN, True),
        ("", MIRROR, False),
        ("logical.example", OWN, True),
        ("https://logical.example/v1/", OWN, True),
        ("real.example", OWN, True),
        ("logical.example", MIRROR, False),
        ("m.example", MIRROR, True),
        ("other.example", OWN, False),
    ],
)
def test_the_call_s_credential_is_for_its_registry_alone(
    address: str, endpoint: Endpoint, concerned: bool
) -> None:
    assert credentials.concerns(address, "logical.example", endpoint) == concerned


def test_docker_hub_goes_by_several_names() -> None:
    for address in ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"):
        assert credentials.host(address) == "docker.io"


def test_the_most_specific_path_counts_and_then_the_next_file(tmp_path: Path) -> None:
    def entry(user: str) -> dict[str, str]:
        return {"auth": basic_auth(user, "p")}

    files = files_of(
        {"auths": {"a.example/team": entry("team"), "a.example": entry("all"), "empty": {}}},
        {"auths": {"a.example/team/x": entry("later"), "empty": entry("second")}},
        directory=tmp_path,
        helpers={},
    )

    assert files.find("a.example", "team/x") == Credential("team", "p")
    assert files.find("a.example", "other") == Credential("all", "p")
    assert files.find("empty", "x") == Credential("second", "p")
    assert files.find("b.example", "x") is None
    assert warnings == []


@pytest.mark.parametrize(
    "key", ["https://a.example/v1/", "a.example/v1/", "https://a.example", "http://a.example/v2/"]
)
def test_keys_of_older_programs_are_understood(tmp_path: Path, key: str) -> None:
    files = files_of(
        {"auths": {key: {"username": "u", "password": "p"}}}, directory=tmp_path, helpers={}
    )

    assert files.find("a.example", "team/x") == Credential("u", "p")
    assert files.find("b.example", "team/x") is None


def test_helpers_come_before_entries_and_the_store_after_them(tmp_path: Path) -> None:
    files = files_of(
        {
            "auths": {"a.example": {"auth": basic_auth("file", "p")}, "b.example": {}},
            "credHelpers": {"a.example": "own"},
            "credsStore": "store",
        },
        directory=tmp_path,
        helpers={
            "own a.example": Credential("helper", "p"),
            "store b.example": Credential("store", "p"),
            "store https://index.docker.io/v1/": Credential("hub", "p"),
        },
    )

    assert files.find("a.example", "x") == Credential("helper", "p")
    assert files.find("b.example", "x") == Credential("store", "p")
    assert files.find("docker.io", "library/x") == Credential("hub", "p")


def test_helpers_of_registries_conf_are_asked_in_their_order(tmp_path: Path) -> None:
    files = files_of(
        {"auths": {"a": {"auth": basic_auth("f", "p")}}}, directory=tmp_path, helpers={}
    )
    files.helper = lambda name, server: Credential(name, "p") if server == "b" else None
    files.helpers = ["first", "containers-auth.json", "last"]

    assert files.find("a", "x") == Credential("f", "p")
    assert files.find("b", "x") == Credential("first", "p")


@pytest.mark.parametrize("content", ["not json", "[]", '{"auths": {"a.example": {"auth": "%"}}}'])
def test_a_bad_auth_file_is_a_warning(tmp_path: Path, content: str) -> None:
    files = files_of(content, directory=tmp_path, helpers={})

    assert files.find("a.example", "x") is None
    (warning,) = warnings
    assert str(tmp_path / "0.json") in warning


def test_the_places_of_auth_files() -> None:
    home = Path("/h")
    assert places("/x", {"REGISTRY_AUTH_FILE": "/y"}) == [Path("/x")]
    assert places("", {"REGISTRY_AUTH_FILE": "/y"}) == [Path("/y")]
    assert places("", {"HOME": "/h", "XDG_RUNTIME_DIR": "/r"}) == [
        Path("/r/containers/auth.json"), home / ".config/containers/auth.json",
        home / ".docker/config.json", home / ".dockercfg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("""echo '{"Username": "u", "Secret": "s"}'""", Credential("u", "s")),
        ("""echo '{"Username": "<token>", "Secret": "s"}'""", Credential(identity_token="s")),
        ("echo credentials not found in native keychain; exit 1", None),
    ],
)
def test_a_credential_helper_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: Credential | None
) -> None:
    _helper(tmp_path, monkeypatch, script)

    assert credential_helper.ask("test", "a.example") == found


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo broken >&2; exit 3", "broken"),
        ("echo no json", "is not JSON"),
        ("echo []", "not a JSON object"),
        ("sleep 60 & wait", "within 0.2 s"),
        ("yes", "more than 65536 bytes"),
    ],
)
def test_a_broken_helper_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    _helper(tmp_path, monkeypatch, script)
    monkeypatch.setattr(credential_helper, "TIME_LIMIT_S", 0.2)

    with pytest.raises(Failure, match=words) as e:
        credential_helper.ask("test", "a.example")

    assert "docker-credential-test" in e.value.message


@pytest.mark.parametrize("name", ["absent", "../../bin/sh", ""])
def test_a_helper_that_is_missing_or_no_name_is_refused(name: str) -> None:
    with pytest.raises(Failure, match=r"docker-credential-absent|not the name"):
        credential_helper.ask(name, "a.example")


def _helper(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    file = directory / "docker-credential-test"
    file.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        (["Basic realm=x"], [Challenge("basic", {"realm": "x"})]),
        (
            ['Bearer realm="https://a/t?x=1,2",service="s \\"q\\"", scope="repository:x:pull"'],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://a/t?x=1,2",
                        "service": 's "q"',
                        "scope": "repository:x:pull",
                    },
                )
            ],
        ),
        (
            ['Basic realm="a", Bearer realm="b"', "Negotiate"],
            [
                Challenge("basic", {"realm": "a"}),
                Challenge("bearer", {"realm": "b"}),
                Challenge("negotiate", {}),
            ],
        ),
        (
            ['BEARER Realm = "a" , Service="b"'],
            [Challenge("bearer", {"realm": "a", "service": "b"})],
        ),
        (['Bearer realm="a"', "Bearer \x00"], [
            Challenge("bearer", {"realm": "a"}), Challenge("bearer", {}),
        ]),
        (['Bearer realm="never closed'], [Challenge("bearer", {})]),
        (['=,"'], []),
    ],
)  # fmt: skip
def test_challenges_are_read(headers: list[str], found: list[Challenge]) -> None:
    assert parse(headers) == found
