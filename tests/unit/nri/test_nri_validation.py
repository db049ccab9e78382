"""Without a validator nothing is asked; the default validator is asked first."""

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.creation import Creation
from cri_shim.nri.rules import Rules
from cri_shim.nri.validation import Validators
from cri_shim.pb import nri_pb2 as pb


def creation() -> Creation:
    made = Creation(pb.CreateContainerRequest(container=pb.Container(id="c", name="main")))
    hooks = pb.Hooks(prestart=[pb.Hook(path="/bin/true")])
    made.add("10-a", pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(hooks=hooks)))
    return made


async def test_no_validator_rejects_nothing() -> None:
    await Validators(None).check([], pb.Container(id="c"), creation())


async def test_the_default_validator_rejects() -> None:
    with pytest.raises(ToolFailed, match="NRI plugin 10-a adjusts hooks, which this node does not"):
        await Validators(Rules(hooks=True)).check([], pb.Container(id="c"), creation())
