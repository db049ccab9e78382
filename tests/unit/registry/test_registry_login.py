"""User and password are tried at the root of a registry's API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.registry import login
from cri_shim.registry.credentials import Credential
from cri_shim.registry.failure import Failure
from tests.fixtures.images import basic_auth
from tests.fixtures.odd_registry import OddRegistry, status
from tests.fixtures.token_server import TokenServer

BASIC = f"Basic {basic_auth('me', 'secret')}"


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        yield registry


def accepts(odd: OddRegistry, password: str = "secret") -> bool:
    credential = Credential("me", password)
    directory = str(odd.conf.parent)
    return login.accepts(
        odd.host, credential, registries_conf=str(odd.conf), environ={"HOME": directory},
        certs_dirs=(), hosts_dirs=(directory,),
    )  # fmt: skip


def test_a_right_password_is_accepted_and_a_wrong_one_refused(odd: OddRegistry) -> None:
    odd.require, odd.challenge = {BASIC}, 'Basic realm="x"'

    assert accepts(odd)
    with pytest.raises(Failure, match=r"refuses user 'me' for a login") as e:
        accepts(odd, "wrong")
    assert e.value.kind == "unauthorized"


def test_a_token_server_decides_too(odd: OddRegistry) -> None:
    server = TokenServer(odd, users={BASIC})
    odd.challenge = f'Bearer realm="{server.realm}",service="test"'

    assert accepts(odd)
    with pytest.raises(Failure, match=r"refuses user 'me' for a login"):
        accepts(odd, "wrong")
    assert all("scope" not in seen.values() for seen in server.asked)


def test_a_registry_that_asks_nobody_is_told_apart(odd: OddRegistry) -> None:
    assert not accepts(odd)
    assert [seen.path for seen in odd.seen if seen.authorization] == []


def test_a_server_that_is_no_registry_or_is_ill_is_a_failure(odd: OddRegistry) -> None:
    odd.plan("/v2/", status(404), status(404), status(503))
    with pytest.raises(Failure, match="is not a registry: it has no /v2/"):
        accepts(odd)
    with pytest.raises(Failure, match="HTTP 503"):
        accepts(odd)


def test_hosts_toml_names_the_server_of_a_registry(odd: OddRegistry, tmp_path: Path) -> None:
    odd.require, odd.challenge = {BASIC}, 'Basic realm="x"'
    place = tmp_path / "registry.example"
    place.mkdir()
    (place / "hosts.toml").write_text(
        f'server = "http://{odd.host}"\n[host."http://127.0.0.1:9"]\n'
    )

    assert login.accepts(
        "registry.example", Credential("me", "secret"), registries_conf=str(odd.conf),
        environ={"HOME": str(tmp_path)}, certs_dirs=(), hosts_dirs=(str(tmp_path),),
    )  # fmt: skip
