"""Input of NRI plugins: the bytes of a socket, and adjustments of a container."""

import contextlib
import json

from google.protobuf.message import DecodeError

from cri_shim.errors import ToolFailed
from cri_shim.nri.creation import Creation
from cri_shim.nri.document.adjusted import adjusted
from cri_shim.nri.document.described import describe
from cri_shim.nri.rules import Rules
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.document import encode
from cri_shim.wire import nri_mux, ttrpc
from tests.hostile.fuzz.target import Target, pure
from tests.unit.nri.facts import DOCUMENT, facts

_CUT = 37  # bytes that come at once
_MOST_CALLS = 4
_RULES = Rules(True, True, True, True, True, True)


def _socket(data: bytes) -> list[str]:
    """Both connections of a plugin whose bytes come in parts."""
    splitter = nri_mux.Splitter((nri_mux.PLUGIN, nri_mux.RUNTIME))
    client, server = ttrpc.Client(), ttrpc.Server(_MOST_CALLS)
    client.call("s", "m", b"")
    seen: list[str] = []
    calls = 0
    with contextlib.suppress(nri_mux.BadFrame, ttrpc.BadFrame):
        for start in range(0, len(data), _CUT):
            for connection, piece in splitter.receive(data[start : start + _CUT]):
                if connection == nri_mux.PLUGIN:
                    seen += [f"answer {answer.code}" for answer in client.receive(piece)]
                    continue
                found = server.receive(piece)
                calls += len(found)
                seen += [f"call {call.method[:20]}" for call in found]
    assert calls <= _MOST_CALLS
    assert all(len(frame) < 4096 for frame in server.outgoing())
    return seen


def _adjustment(data: bytes) -> str:
    """An answer to CreateContainer, collected, validated and applied to a document."""
    response = pb.CreateContainerResponse.FromString(data)
    request = pb.CreateContainerRequest(container=pb.Container(id="id"))
    describe(DOCUMENT, request.container)
    made = Creation(request)
    made.add("10-a", response)
    document = adjusted(DOCUMENT, made.adjust, facts(owners=made.owners))
    describe(document, pb.Container())
    json.loads(encode(document))
    asked = pb.ValidateContainerAdjustmentRequest(container=request.container)
    with contextlib.suppress(ToolFailed):
        _RULES.check(asked, made.owners)
    return ",".join(sorted(document["linux"]))


def _adjustments() -> list[bytes]:
    linux = pb.LinuxContainerAdjustment(
        devices=[pb.LinuxDevice(path="/dev/x", type="c", major=1, minor=3)],
        sysctl={"net.x": "1", "-net.y": ""},
        namespaces=[pb.LinuxNamespace(type="-ipc"), pb.LinuxNamespace(type="uts", path="/x")],
        net_devices={"eth9": pb.LinuxNetDevice(name="a")},
        seccomp_policy=pb.LinuxSeccomp(default_action="SCMP_ACT_ALLOW"),
        scheduler=pb.LinuxScheduler(policy=pb.SCHED_BATCH, nice=3),
        memory_policy=pb.LinuxMemoryPolicy(mode=pb.MPOL_BIND, nodes="0-1"),
        oom_score_adj=pb.OptionalInt(value=3),
        rdt=pb.LinuxRdt(remove=True),
        resources=pb.LinuxResources(
            memory=pb.LinuxMemory(limit=pb.OptionalInt64(value=9)),
            unified={"memory.high": "1"},
            hugepage_limits=[pb.HugepageLimit(page_size="2MB", limit=1)],
        ),
    )
    adjust = pb.ContainerAdjustment(
        annotations={"a": "b", "-c": ""},
        mounts=[pb.Mount(destination="/m", source="/s"), pb.Mount(destination="-/data")],
        env=[pb.KeyValue(key="-A"), pb.KeyValue(key="B", value="c")],
        hooks=pb.Hooks(prestart=[pb.Hook(path="/bin/true", args=["true"])]),
        rlimits=[pb.POSIXRlimit(type="RLIMIT_CORE", hard=2, soft=1)],
        args=["", "sh"],
        linux=linux,
    )
    updates = [pb.ContainerUpdate(container_id="other")]
    return [
        pb.CreateContainerResponse(adjust=adjust, update=updates).SerializeToString(),
        pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(linux=linux)).SerializeToString(),
    ]


def _dialogue() -> list[bytes]:
    caller, answerer = ttrpc.Client(), ttrpc.Server(_MOST_CALLS)
    caller.call("nri.pkg.api.v1alpha1.Runtime", "RegisterPlugin", b"x" * 50)
    [registering] = caller.outgoing()
    answerer.refuse(1, 2, "no")
    [refusal] = answerer.outgoing()
    frames = [nri_mux.frames(nri_mux.RUNTIME, registering), nri_mux.frames(nri_mux.PLUGIN, refusal)]
    return [b"".join(frames), b"".join(reversed(frames))]


TARGETS = (
    Target("plugin socket", _dialogue, pure(_socket)),
    Target("plugin adjustment", _adjustments, pure(_adjustment), (ToolFailed, DecodeError)),
)
