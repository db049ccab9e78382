"""The metrics from their start to their end: a scrape over the socket, and nothing left behind."""

import asyncio
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cri_shim.activity import Step, observing
from cri_shim.metrics.declared import METRICS
from cri_shim.metrics.endpoint import Endpoint
from cri_shim.pb import state_pb2 as state
from tests.fixtures.objects import put
from tests.unit.metrics.sources import sources


async def scraped(where: Path) -> dict[str, float]:
    reader, writer = await asyncio.open_unix_connection(str(where))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n")
    text = (await reader.read()).decode().partition("\r\n\r\n")[2]
    writer.close()
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_happens_is_counted_while_it_serves(tmp_path: Path) -> None:
    of, where = sources(), tmp_path / "m.sock"
    async with Endpoint(f"unix://{where}", None, of):
        with Step("crun start", counted=("oci", "crun", "start")):
            pass
        put(of.engine.objects, state.PodRecord(id="a", phase=state.POD_READY))
        found = await scraped(where)

    assert found["cri_shim_oci_duration_seconds_count['crun', 'ok', 'start']"] == 1
    assert found["cri_shim_pods['ready']"] == 1
    assert observing.observers == ()


async def test_every_declared_metric_is_on_the_page(tmp_path: Path) -> None:
    where = tmp_path / "m.sock"
    async with Endpoint(f"unix://{where}", None, sources()) as endpoint:
        text = (await endpoint.page()).decode()

    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert families == set(METRICS)
