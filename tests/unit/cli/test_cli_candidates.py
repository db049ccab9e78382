"""The possible next words of a command line."""

from collections.abc import Sequence

import pytest

from cri_shim.cli.arguments import any_id, container_id, handler, key_assignment, pod_id
from cri_shim.cli.candidates import Candidate, candidates
from cri_shim.cli.command_line import parser

KINDS: dict[object, str] = {
    any_id: "any",
    container_id: "container",
    handler: "handler",
    key_assignment: "key",
    pod_id: "pod",
}


def ids(kind: object, top: Sequence[str]) -> list[Candidate]:
    """Replaces the daemon; returns the requests."""
    return [(f"{KINDS[kind]}@{'+'.join(top)}", "")] if kind in KINDS else []


def offered(*words: str) -> list[str]:
    return [word for word, _ in candidates(parser(), words, ids)]


def test_every_command_is_offered_with_its_description() -> None:
    found = dict(candidates(parser(), [""], ids))
    assert {"serve", "pods", "ps", "logs", "exec", "inspect", "stop", "rm"} <= found.keys()
    assert found["version"] == "Show client and daemon versions"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["start", "stop", "stats"]),
        (["--sock"], ["--socket"]),
        (["--socket", "x", "im"], ["image"]),
        (["--socket=x", "im"], ["image"]),
        (["--socket", "=", "x", "im"], ["image"]),  # as bash splits it
        (["image", "un"], ["untag", "unmount"]),
        (["image", "pull", "--cr"], ["--creds", "--creds-stdin"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["ps", "--state", "e"], ["exited"]),
        (["ps", "-s", "cr"], ["created"]),
        (["ps", "-as", "cr"], ["created"]),
        (["ps", "--state", "=", "e"], ["exited"]),
        (["ps", "--name", ""], []),
        (["ps", "-o", "js"], ["json"]),
        (["ps", "--sock"], ["--socket"]),
        (["images", "--no-h"], ["--no-headers"]),
        (["image", "ls", "--no-h"], ["--no-headers"]),
        (["nonsense", ""], None),
    ],
)
def test_words_come_from_the_parser(words: list[str], expected: list[str] | None) -> None:
    everything = offered("")
    assert offered(*words) == (everything if expected is None else expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["inspect", ""], ["any@"]),
        (["rm", "-f", "one", ""], ["any@"]),
        (["stop", "-t", ""], []),
        (["stop", "-t", "5", ""], ["any@"]),
        (["--socket", "s", "--root", "r", "logs", ""], ["any@--socket+s+--root+r"]),
        (["logs", "--tail", "5", "-f", ""], ["any@"]),
        (["ps", "-p", ""], ["pod@"]),
        (["exec", "-it", ""], ["container@"]),
        (["--set", "a"], []),
        (["--socket", "s", "--set", ""], ["key@--socket+s"]),
        (["run", "--runtime", ""], ["handler@"]),
        (["exec", "-it", "one", ""], []),
        (["exec", "one", "ls", "-"], []),
        (["exec", "one", "ls", "-l", ""], []),
        (["logs", "one", ""], ["any@"]),
        (["image", "load", ""], []),
    ],
)
def test_ids_come_from_the_daemon_where_one_is_expected(
    words: list[str], expected: list[str]
) -> None:
    assert offered(*words) == expected
