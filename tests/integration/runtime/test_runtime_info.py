"""Info: the parts of a node, from the library and from the command line."""

import json
import os
import platform
import socket
from pathlib import Path

import pytest

from cri_shim.images import load, query
from cri_shim.oci.program_versions import Inventory
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run as pod_run
from cri_shim.report import host
from tests.fixtures import busybox
from tests.fixtures.library import Place
from tests.integration.runtime.test_runtime_library import request


def conflist(leases: Path) -> dict[str, object]:
    ipam = {"type": "host-local", "subnet": "10.98.7.0/24", "dataDir": str(leases)}
    return {"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "ptp", "ipam": ipam}]}


async def test_info_has_host_store_registries_networks_and_plugins(here: Place) -> None:
    conf = here.directory / "registries.conf"
    conf.write_text(
        'unqualified-search-registries = ["a.example"]\n'
        '[[registry]]\nlocation = "b.example"\ninsecure = true\n'
        '[[registry.mirror]]\nlocation = "c.example"\n'
    )
    net_d = here.directory / "net.d"
    net_d.mkdir()
    (net_d / "1.conflist").write_text(json.dumps(conflist(here.directory / "leases")))
    (net_d / "2.conflist").write_text("{")
    async with here.runtime(("image.registries_conf", str(conf))) as runtime:
        archive = busybox.archive(here.directory / "busybox.tar")
        await load.load(runtime.engine, f"docker-archive:{archive}")
        pod = await pod_run.run(runtime.engine, request())
        facts = await runtime.info()
        await pod_remove.remove(runtime.engine, pod)

    assert json.loads(json.dumps(facts)) == facts
    machine, store = facts["host"], facts["store"]
    assert (machine["hostname"], machine["kernel"]) == (socket.gethostname(), platform.release())
    assert machine["cpus"] == os.cpu_count()
    assert 0 < machine["memoryFree"] <= machine["memoryTotal"]
    assert 0 <= machine["swapFree"] <= machine["swapTotal"]
    assert machine["uptime"] > 0
    assert machine["distribution"]["name"]
    assert machine["rootless"] is False
    assert machine["conmon"]["version"].startswith("conmon version ")
    assert machine["conmon"]["package"].startswith("conmon_")
    assert machine["ociRuntime"]["package"].startswith("crun_")
    assert (machine["cgroupVersion"] in (1, 2), machine["cgroupManager"]) == (True, "cgroupfs")
    assert store["fileSystem"]["type"]
    assert 0 < store["fileSystem"]["free"] <= store["fileSystem"]["total"]
    assert (store["driver"], store["root"], store["state"]) == (
        "overlay", str(here.root), "leveldb",
    )  # fmt: skip
    assert (store["pods"], store["podsReady"], store["containers"], store["images"]) == (1, 1, 0, 1)
    assert facts["registries"]["search"] == ["a.example"]
    assert facts["registries"]["insecure"] == ["b.example"]
    assert facts["registries"]["mirrors"] == {"b.example": ["c.example"]}
    assert facts["networks"]["default"] == "mine"
    assert facts["networks"]["names"]["mine"]["plugins"] == ["ptp"]
    assert "2.conflist" in facts["networks"]["problems"][0]
    assert Path(facts["plugins"]["network"]["loopback"]).is_file()
    assert facts["handlers"]["crun"]["default"] is True


async def test_a_failing_part_of_info_does_not_affect_the_others(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    async with here.runtime() as runtime:
        whole = await runtime.info()
        monkeypatch.setattr(host, "_memory", fail)
        monkeypatch.setattr(query, "listed", fail)
        monkeypatch.setattr(Inventory, "package", fail)
        facts = await runtime.info()

    error = {"error": "OSError: [Errno 5] Input/output error"}
    assert facts["host"]["memoryTotal"] == facts["store"]["images"] == error
    assert facts["host"]["conmon"]["package"] == error
    assert facts["host"]["conmon"]["version"] == whole["host"]["conmon"]["version"]
    assert facts["host"]["hostname"] == whole["host"]["hostname"]
    assert facts["store"]["pods"] == 0
    assert facts["networks"] == whole["networks"]
