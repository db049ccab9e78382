"""Credentials."""

import json
import stat
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.store.archives.auth import Credential, authfile, credential, merged
from tests.fixtures.images import basic_auth

BASIC = basic_auth("user", "pass word")


def test_user_and_password_become_basic() -> None:
    auth = api.AuthConfig(username="user", password="pass word")

    assert credential(auth, "r.example") == Credential(BASIC)


def test_auth_is_passed_on_and_checked() -> None:
    assert credential(api.AuthConfig(auth=BASIC), "r.example") == Credential(BASIC)
    for bad in ("%%%", "bm9jb2xvbg=="):
        with pytest.raises(InvalidArgument, match=r"auth\.auth"):
            credential(api.AuthConfig(auth=bad), "r.example")


def test_an_identity_token_is_kept_as_such() -> None:
    own = credential(api.AuthConfig(identity_token="token"), "r.example")

    assert own is not None
    assert merged({}, "r.example", own)["auths"]["r.example"]["identitytoken"] == "token"


def test_a_registry_token_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="registry_token"):
        credential(api.AuthConfig(registry_token="token"), "r.example")


def test_nothing_and_a_credential_for_another_server_mean_the_node_s_own() -> None:
    other = api.AuthConfig(username="u", password="p", server_address="https://other.example/v1/")

    assert credential(None, "r.example") is None
    assert credential(api.AuthConfig(), "r.example") is None
    assert credential(other, "r.example") is None
    assert credential(other, "other.example") is not None


def test_docker_hub_goes_by_several_names() -> None:
    auth = api.AuthConfig(auth=BASIC, server_address="https://index.docker.io/v1/")

    assert credential(auth, "docker.io") == Credential(BASIC)


def test_the_caller_s_entry_replaces_every_one_of_its_registry_and_no_other() -> None:
    node = {
        "auths": {"r.example": {"auth": "old"}, "r.example/team": {}, "mirror": {"auth": "m"}},
        "credHelpers": {"r.example": "helper", "mirror": "helper"},
    }

    assert merged(node, "r.example", Credential(BASIC)) == {
        "auths": {"mirror": {"auth": "m"}, "r.example": {"auth": BASIC}},
        "credHelpers": {"mirror": "helper"},
    }


def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with authfile(tmp_path / "secrets", "r.example", Credential(BASIC)) as file:
        assert file is not None
        mode = stat.S_IMODE(file.stat().st_mode)
        content = json.loads(file.read_text())

    assert mode == 0o600
    assert content["auths"]["r.example"] == {"auth": BASIC}
    assert list((tmp_path / "secrets").iterdir()) == []


def test_a_credential_does_not_show_its_secret() -> None:
    assert BASIC not in repr(Credential(BASIC, "token"))
