"""Texts of failures: no word twice, the remedy at the end."""

import pytest

from cri_shim.registry import sentences
from cri_shim.registry.connections import NetworkError, TlsFailed, Unreachable
from cri_shim.registry.failure import Failure, together
from cri_shim.registry.sentences import Identity


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("plain", "to allow it, set insecure = true for a.example:5000 in registries.conf"),
        ("authority", "put its CA into /etc/containers/certs.d/a.example:5000/ca.crt"),
        ("name", "use a name that the certificate has, or renew it"),
        ("time", "renew the certificate, or correct the node's clock"),
        ("", ""),
    ],
)
def test_each_failure_of_tls_has_its_remedy(why: str, remedy: str) -> None:
    cause, told = sentences.broken("a.example:5000", TlsFailed("words", why), "app:1", 5)

    assert cause.startswith("a.example:5000")
    assert told == remedy


@pytest.mark.parametrize("why", ["name", "refused", "time", "route", "proxy", "", "unknown"])
def test_a_server_that_is_not_reached_has_the_words_of_the_system(why: str) -> None:
    cause, remedy = sentences.broken("a.example", Unreachable("words", why), "app:1", 5)

    assert cause == "a.example: words"
    assert bool(remedy) == (why not in ("", "unknown"))


def test_a_connection_that_broke_says_what_was_fetched() -> None:
    assert sentences.broken("a.example", NetworkError("words"), "app:1", 5)[0] == (
        "a.example: the connection broke while app:1 was fetched: words"
    )


def test_a_registry_s_words_are_kept_for_a_refused_user_only() -> None:
    user = Identity("user 'joe' (from /f)")

    refused, _ = sentences.unauthorized("a.example", "app:1", user, "the token is expired")
    unknown, _ = sentences.unauthorized("a.example", "app:1", Identity(), "log in")

    assert refused == "a.example refuses user 'joe' (from /f) for app:1: the token is expired"
    assert unknown == "a.example has no app:1 for a client without credentials"


def test_the_remedy_of_the_last_of_several_failures_is_at_the_end() -> None:
    first = Failure("unavailable", "m.example: refused", "check the port")
    last = Failure("denied", "a.example denies it", "ask for access")

    told = together([first, last], "mirrors failed before")

    assert told.message == (
        "a.example denies it (mirrors failed before: m.example: refused); ask for access"
    )
