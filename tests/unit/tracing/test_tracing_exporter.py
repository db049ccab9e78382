"""The connection to a real receiver of OTLP, with and without TLS, and its failures."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from cri_shim.errors import ConfigError
from cri_shim.tracing.exporter import Exporter
from tests.fixtures.otlp import receiving
from tests.fixtures.tls import Authority

CONTEXT = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
SPAN = ReadableSpan("RunPodSandbox", CONTEXT, start_time=1, end_time=2)


def test_a_receiver_gets_the_spans() -> None:
    with receiving() as receiver:
        exporter = Exporter(receiver.address)
        assert exporter.send([SPAN])
        exporter.close()

    assert receiver.named("RunPodSandbox").span_id == (0xDEF).to_bytes(8)


def test_a_receiver_by_tls_gets_the_spans(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with receiving(authority) as receiver:
        exporter = Exporter(receiver.address, str(authority.certificate))
        assert exporter.send([SPAN])
        exporter.close()

    assert receiver.named("RunPodSandbox").name == "RunPodSandbox"


def test_a_failure_and_its_end_are_one_line_each(caplog) -> None:
    caplog.set_level("INFO")
    with receiving() as receiver:
        exporter = Exporter(receiver.address)
        receiver.refusing = True
        assert [exporter.send([SPAN]) for _ in range(3)] == [False] * 3
        receiver.refusing = False
        assert exporter.send([SPAN])
        exporter.close()

    failed, again = caplog.messages
    assert failed.startswith(f"traces cannot be sent to {receiver.address}, and are dropped until")
    assert "not | you" in failed
    assert again == f"traces are taken by {receiver.address} again"


async def test_a_receiver_that_is_not_there_is_a_failure(monkeypatch, caplog) -> None:
    monkeypatch.setattr("cri_shim.tracing.exporter.SEND_S", 0.3)
    exporter = Exporter("127.0.0.1:1")
    assert not await asyncio.to_thread(exporter.send, [SPAN])
    exporter.close()

    assert "traces cannot be sent to 127.0.0.1:1" in caplog.text


def test_a_file_of_authorities_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[tracing\] cannot use tls_ca_file .*none"):
        Exporter("127.0.0.1:1", str(tmp_path / "none"))
