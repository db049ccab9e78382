"""What the operator reads of a pull that fails: the server first, one cause, the remedy last."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.images import basic_auth
from tests.fixtures.odd_registry import Misbehaviour, OddRegistry, error, hang_up, status
from tests.fixtures.registry_worker import Worker
from tests.fixtures.token_server import TokenServer
from tests.integration.registry.conftest import Served

GENERIC = error(404, "MANIFEST_UNKNOWN", "manifest unknown")
LONG = error(429, "TOOMANYREQUESTS", "slow down", Retry_After="3600")


def message(odd: OddRegistry, tmp_path: Path, name: str, **fields: Any) -> tuple[str, str]:
    """Return kind and text of the failure of a pull, with HOST for the server's name."""
    with Worker(tmp_path, name, registries_conf=odd.conf, **fields) as worker:
        failure = worker.failure()
    return failure["kind"], failure["message"].replace(odd.host, "HOST")


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (GENERIC, "not_found", "HOST has no odd/image1:latest"),
        (
            status(503),
            "unavailable",
            "HOST answers HTTP 503 Service Unavailable for odd/image1:latest; try again later",
        ),
        (
            error(403, "DENIED", "not for you"),
            "denied",
            "HOST denies odd/image1:latest to a client without credentials: DENIED: not for you",
        ),
        (
            hang_up,
            "unavailable",
            "HOST: the connection broke while odd/image1:latest was fetched: Remote end closed"
            " connection without response; try again",
        ),
        (
            status(429),
            "unavailable",
            "HOST limits the number of requests (HTTP 429); try again later, or give credentials:"
            " they often have a higher limit",
        ),
    ],
)
def test_a_failure_names_the_server_the_cause_and_the_remedy(
    odd: OddRegistry, served: Served, tmp_path: Path, fault: Misbehaviour, kind: str, text: str
) -> None:
    odd.plan("/manifests/latest", fault, always=True)

    assert message(odd, tmp_path, served.name) == (kind, text)


def test_a_registry_that_limits_requests_is_quoted_with_the_time_of_the_next_try(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan("/manifests/latest", LONG, always=True)
    now = time.time()

    kind, text = message(odd, tmp_path, served.name)

    at = time.strptime(text[-len("2026-01-01 00:00:00 UTC") :], "%Y-%m-%d %H:%M:%S %Z")
    assert kind == "unavailable"
    assert text.startswith("HOST limits the number of requests (HTTP 429) and asks to wait 3600 s;")
    assert now + 3590 < time.mktime(at) - time.timezone < now + 3630


@pytest.mark.parametrize("tokens", [False, True])
def test_a_refused_user_is_named_with_the_source_of_its_password(
    odd: OddRegistry, served: Served, tmp_path: Path, tokens: bool
) -> None:
    odd.require, odd.challenge = set(), 'Basic realm="test"'
    if tokens:
        TokenServer(odd, users=set())
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {odd.host: {"auth": basic_auth("joe", "secret")}}}))

    of_file = message(odd, tmp_path, served.name, auth_file=file)
    of_call = message(odd, tmp_path, served.name, auth={"username": "ann", "password": "secret"})

    what = "odd/image1" if tokens else "odd/image1:latest"
    remedy = "correct the credentials, or ask its owner for access"
    assert of_file == (
        "unauthorized",
        f"HOST refuses user 'joe' (from {file}) for {what}; {remedy}",
    )
    assert of_call == (
        "unauthorized",
        f"HOST refuses user 'ann' (from the request) for {what}; {remedy}",
    )


def test_a_pull_without_credentials_names_the_files_that_have_none(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.require, odd.challenge = set(), 'Basic realm="test"'
    file = tmp_path / ".docker/config.json"
    file.parent.mkdir()
    file.write_text('{"auths": {}}')

    kind, text = message(odd, tmp_path, served.name)

    assert kind == "unauthorized"
    assert text.startswith(
        "HOST has no odd/image1:latest for a client without credentials; no credentials for HOST in"
        f" {file} (missing or unusable: {tmp_path}/containers/auth.json, "
    )
    assert text.endswith("give credentials: imagePullSecrets, or `cri-shim login HOST`")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("127.0.0.1:1/x", "127.0.0.1:1: Connection refused; check the port, and that the registry"),
        (
            "nosuch.invalid/x",
            r"nosuch.invalid: its address is not found: .*; check the name of the",
        ),
    ],
)
def test_a_server_that_is_not_reached_is_unavailable(
    odd: OddRegistry, tmp_path: Path, name: str, text: str
) -> None:
    kind, told = message(odd, tmp_path, name)

    assert kind == "unavailable"
    assert re.match(text, told)
