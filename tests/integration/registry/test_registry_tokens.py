"""Tokens: given, renewed, refused, and kept from others."""

import json
from pathlib import Path

import pytest

from tests.fixtures.images import basic_auth
from tests.fixtures.odd_registry import OddRegistry, endless, status
from tests.fixtures.registry_worker import Worker
from tests.fixtures.token_server import TokenServer
from tests.integration.registry.conftest import Served, serve

BASIC = f"Basic {basic_auth('user', 'secret')}"
LOGIN = {"username": "user", "password": "secret"}


def test_an_anonymous_token_is_asked_for_once(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    tokens = TokenServer(odd)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    (asked,) = tokens.asked
    assert asked.values() == {"service": ["test, service"], "scope": ["repository:SCOPE:pull"]}
    assert asked.authorization == ""
    assert [seen.authorization for seen in odd.requests(served.digest)] == ["Bearer token-1"]


def test_a_user_gets_a_token_and_the_password_goes_to_the_token_server_alone(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    tokens = TokenServer(odd, users={BASIC})

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=LOGIN) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    (asked,) = tokens.asked
    assert (asked.authorization, asked.values()["account"]) == (BASIC, ["user"])
    assert {seen.path for seen in odd.seen if seen.authorization == BASIC} == {asked.path}


def test_an_identity_token_is_exchanged_by_a_form(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    tokens = TokenServer(odd, users=set(), refresh={"identity secret"})
    auth = {"identity_token": "identity secret"}

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=auth) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    (asked,) = tokens.asked
    assert asked.method == "POST"
    assert "secret" not in asked.path
    assert asked.values()["client_id"] == ["cri-shim"]


def test_a_registry_token_is_used_from_the_first_request_on(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.require = {"Bearer given"}
    auth = {"registry_token": "given"}

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=auth) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert {seen.authorization for seen in odd.seen} == {"Bearer given"}


def test_a_token_that_ends_in_the_middle_of_a_pull_is_renewed(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    tokens = TokenServer(odd)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        worker.expect("image")
        tokens.expire()
        worker.fetch(served.digest, len(served.blob))
        assert served.is_here(worker)

    assert len(tokens.asked) == 2
    assert worker.kinds("blob") == ["image", "whole"]


@pytest.mark.parametrize("auth", [None, {"username": "user", "password": "wrong"}])
def test_a_token_server_that_refuses_makes_the_pull_unauthorized(
    odd: OddRegistry, served: Served, tmp_path: Path, auth: dict[str, str] | None
) -> None:
    TokenServer(odd, users={BASIC})

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=auth) as worker:
        failure = worker.failure()

    assert failure["kind"] == "unauthorized"
    whom = "refuses user 'user'" if auth else "for a client without credentials"
    assert whom in failure["message"]
    assert "wrong" not in failure["message"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [({}, "has no token"), ({"token": 7}, "has no token"), ({"token": "a\r\nb"}, "fits no header")],
)
def test_a_token_that_cannot_be_used_is_refused(
    odd: OddRegistry, served: Served, tmp_path: Path, answer: dict[str, object], words: str
) -> None:
    TokenServer(odd)
    odd.plan("/token", status(200, json.dumps(answer).encode()), always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "unauthorized"
    assert words in failure["message"]


def test_an_endless_token_is_refused(odd: OddRegistry, served: Served, tmp_path: Path) -> None:
    TokenServer(odd)
    odd.plan("/token", endless, always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "unauthorized"
    assert "more than 1048576 bytes" in failure["message"]


def test_a_server_for_tokens_that_is_no_url_gets_nothing(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.require = set()
    odd.challenge = 'Bearer realm="file:///etc/passwd"'

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=LOGIN) as worker:
        failure = worker.failure()

    assert failure["kind"] == "unauthorized"
    assert "file:///etc/passwd" in failure["message"]


def test_a_redirect_to_another_server_gets_no_credentials(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    (tmp_path / "trap").mkdir()
    with OddRegistry(tmp_path / "trap") as trap:
        odd.require = {BASIC}
        odd.challenge = 'Basic realm="test"'
        place = trap.serve_path("/storage/blob", served.blob)
        odd.plan(served.digest, status(307, Location=f"{place}?signature=SIGNATURE"))
        with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=LOGIN) as worker:
            served.fetch(worker)
            assert served.is_here(worker)

        assert [seen.authorization for seen in trap.seen] == [""]
        assert "SIGNATURE" not in json.dumps(worker.events)


@pytest.mark.parametrize(
    ("location", "words"),
    [("LOOP", "more than 5 times"), ("ftp://a.example/x", "ftp://"), ("http://[", "redirects to")],
)
def test_a_bad_redirect_is_refused(
    odd: OddRegistry, served: Served, tmp_path: Path, location: str, words: str
) -> None:
    target = f"/v2/odd/image1/blobs/{served.digest}" if location == "LOOP" else location
    odd.plan(served.digest, status(302, Location=target), always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        failure = worker.failed(served.digest)

    assert failure["kind"] == "invalid"
    assert words in failure["message"]


def test_a_registry_that_hides_what_strangers_may_not_see_is_asked_again(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.require = {BASIC}
    odd.challenge = 'Basic realm="test"'
    odd.plan("/manifests/latest", status(404))

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=LOGIN) as worker:
        worker.expect("image")

    assert [seen.path for seen in odd.seen][:2] == ["/v2/odd/image1/manifests/latest", "/v2/"]


def test_the_node_s_auth_file_serves_a_pull_without_credentials(
    odd: OddRegistry, tmp_path: Path
) -> None:
    served = serve(odd, 1000, "team/app")
    TokenServer(odd, users={BASIC})
    auths = {
        f"{odd.host}/team": {"auth": basic_auth("user", "secret")},
        odd.host: {"auth": basic_auth("other", "other")},
    }
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": auths}))

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth_file=file) as worker:
        worker.expect("image")


def test_a_credential_helper_is_asked_and_a_broken_one_is_a_warning(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    TokenServer(odd, users={BASIC})
    helper = tmp_path / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(
        '#!/bin/sh\nread -r server\nprintf "%s" "$1 $server" >$0.asked\n'
        'echo \'{"ServerURL": "x", "Username": "user", "Secret": "secret"}\'\n'
    )
    helper.chmod(0o755)
    file = tmp_path / "auth.json"
    helpers = {odd.host: "test"}
    file.write_text(json.dumps({"credHelpers": helpers}))
    options = {"registries_conf": odd.conf, "auth_file": file}
    env = {"PATH": f"{helper.parent}:/bin:/usr/bin"}

    with Worker(tmp_path, served.name, env=env, **options) as worker:
        worker.expect("image")
    asked = Path(f"{helper}.asked").read_text()
    helper.write_text("#!/bin/sh\necho it is broken\nexit 1\n")
    with Worker(tmp_path, served.name, env=env, **options) as worker:
        failure = worker.failure()

    assert asked == f"get {odd.host}"
    assert failure["kind"] == "unauthorized"
    (warning,) = [event for event in worker.events if event["event"] == "warning"]
    assert "docker-credential-test" in warning["message"]
    assert "it is broken" in warning["message"]


def test_no_secret_is_in_arguments_environment_or_events(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    basic = basic_auth("user", "swordfish")
    TokenServer(odd, users={f"Basic {basic}"})
    auth = {"username": "user", "password": "swordfish"}

    with Worker(tmp_path, served.name, registries_conf=odd.conf, auth=auth) as worker:
        served.fetch(worker)
        process = Path(f"/proc/{worker.process.pid}")
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert served.is_here(worker)

    for secret in ("swordfish", basic, "token-1"):
        assert secret.encode() not in shown
        assert secret not in json.dumps(worker.events)
