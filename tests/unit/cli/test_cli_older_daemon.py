"""Commands with a daemon that lacks the newer calls: after an upgrade the old one still runs."""

from types import SimpleNamespace
from typing import Any

from cri_shim.cli import which
from cri_shim.cli.command_line import parser
from cri_shim.cli.commands import pods
from cri_shim.errors import Unimplemented
from cri_shim.pb import api_pb2 as api


class Old:
    """A client of such a daemon."""

    def __init__(self) -> None:
        self.control = self.runtime = self

    def __getattr__(self, name: str) -> Any:
        async def call(request: object) -> object:
            if name == "ListPodSandbox":
                return SimpleNamespace(items=[api.PodSandbox(id="abc")])
            if name == "ListContainers":
                return SimpleNamespace(containers=[])
            raise Unimplemented(name)

        return call


async def test_an_id_is_found_without_the_call_that_finds_names() -> None:
    found = await which.find(Old(), "abc")  # type: ignore[arg-type]
    assert (found.kind, found.id) == ("pod", "abc")


async def test_pods_are_listed_without_those_that_are_being_made() -> None:
    args = parser().parse_args(["pods"])
    assert await pods._changing(args, Old()) == []  # type: ignore[arg-type]
