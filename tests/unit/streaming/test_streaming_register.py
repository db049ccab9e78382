"""Running sessions as objects: listed, found by a prefix, ended, and noted at their ends."""

from typing import Any, cast

import pytest

from cri_shim.activity.peer import Peer
from cri_shim.audit.journal import Journal
from cri_shim.errors import NotFound
from cri_shim.streaming.register import GONE, Client, Register
from cri_shim.wire.remotecommand import Outcome

PEER = Peer(1, 2, 3, "/usr/bin/x", "/run/s")


class Notes:
    """Replaces the journal and its entries."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def session(self, verb: str, object: str, peer: Peer | None, id: str) -> "Notes":
        self.lines.append((verb, object, peer, id))
        return self

    def close(self, result: str, **facts: Any) -> None:
        self.lines.append((result, facts))


class Link:
    """Replaces a connection and the session on it."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def end(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def register(notes: Notes) -> Register:
    return Register(lambda kind, id: f"{kind} test/{id}", cast(Journal, notes))


def client() -> Client:
    return cast(Client, Link())


def test_a_session_is_listed_until_its_connection_ends(register: Register) -> None:
    one, other = client(), client()
    register.begin("exec", "p", "c", PEER, one)
    register.begin("portforward", "p", "", None, other)
    assert [(s.purpose, s.object) for s in register] == [
        ("exec", "container test/c"),
        ("portforward", "pod test/p"),
    ]
    register.ended(one)
    register.ended(one)
    assert [s.purpose for s in register] == ["portforward"]


def test_the_end_of_a_command_is_noted_with_its_exit_code(register: Register, notes: Notes) -> None:
    link = client()
    running = register.begin("exec", "p", "c", PEER, link)
    running.finished(Outcome(exit_code=3))
    register.ended(link)
    assert notes.lines == [
        ("exec", "container test/c", PEER, running.id),
        ("OK", {"exitCode": 3}),
    ]


def test_the_text_of_an_error_is_not_noted(register: Register, notes: Notes) -> None:
    link = client()
    running = register.begin("exec", "p", "c", PEER, link)
    running.finished(Outcome(error="password=secret", kind="CommandNotFound"))
    register.ended(link)
    assert notes.lines[1:] == [("CommandNotFound", {})]


def test_a_client_that_goes_first_is_noted(register: Register, notes: Notes) -> None:
    link = client()
    register.begin("attach", "p", "c", None, link)
    register.ended(link)
    assert notes.lines[1:] == [(GONE, {})]


def test_a_session_that_is_ended_tells_its_client_why(register: Register, notes: Notes) -> None:
    link = client()
    running = register.begin("exec", "p", "c", PEER, link)
    running.session = cast(Any, link)
    register.find(running.id[:5]).end("an operator ended it")
    running.finished(Outcome(error="an operator ended it"))
    register.ended(link)
    assert cast(Any, link).reasons == ["an operator ended it"]
    assert notes.lines[1:] == [("ENDED", {"reason": "an operator ended it"})]


@pytest.mark.parametrize("word", ["", "zz", "nosuch"])
def test_a_session_that_is_not_there_is_not_found(register: Register, word: str) -> None:
    register.begin("exec", "p", "c", PEER, client())
    with pytest.raises(NotFound, match="there is no session"):
        register.find(word)


def test_without_an_audit_record_nothing_is_noted() -> None:
    register, link = Register(lambda kind, id: None, None), client()
    assert register.begin("exec", "p", "c", None, link).object == "container c"
    register.ended(link)
