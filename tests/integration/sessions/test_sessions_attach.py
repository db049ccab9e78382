"""Attach over SPDY and WebSocket: several clients, input, terminals, and slow readers."""

import asyncio

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import log_lines
from tests.fixtures.streams import Talker

ECHO = ["sh", "-c", "echo ready; while read x; do echo got $x; done; echo over"]


async def test_new_output_arrives_until_the_container_ends(cri, pod, attach):
    container = await cri.run(pod, ["sh", "-c", "sleep 1; echo out; echo err >&2; exit 3"])
    talker = await attach(container)
    assert await talker.status() == {"metadata": {}, "status": "Success"}
    assert (talker.text("stdout"), talker.text("stderr")) == (b"out\n", b"err\n")


async def test_every_client_gets_all_output_and_each_can_send_input(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True)
    one, two = await attach(container, stdin=True), await attach(container, stdin=True)
    await one.send(b"first\n")
    await two.until(b"got first\n")
    await two.send(b"second\n")
    await one.until(b"got second\n")


async def test_a_client_that_leaves_does_not_end_input_or_container(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True)
    first = await attach(container, stdin=True)
    await first.send(b"one\n")
    await first.until(b"got one\n")
    first.close()
    second = await attach(container, stdin=True)
    await second.send(b"two\n")
    await second.until(b"got two\n")


async def test_the_end_of_input_ends_the_session_but_not_the_container(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True)
    first = await attach(container, stdin=True)
    await first.end_input()
    assert (await first.status())["status"] == "Success"
    second = await attach(container, stdin=True)
    await second.send(b"still here\n")
    await second.until(b"got still here\n")


async def test_with_stdin_once_the_end_of_input_reaches_the_container(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True, stdin_once=True)
    talker = await attach(container, stdin=True)
    await talker.send(b"last\n")
    await talker.end_input()
    assert (await talker.status())["status"] == "Success"
    assert talker.text("stdout").endswith(b"got last\nover\n")
    assert (await cri.exited(container)).exit_code == 0


async def test_a_terminal_is_shared_and_resized(cri, pod, attach):
    script = "trap 'stty size' WINCH; touch /tmp/ready; while :; do sleep 0.1; done"
    container = await cri.run(pod, ["sh", "-c", script], stdin=True, tty=True)
    await cri.sh(container, "until [ -e /tmp/ready ]; do sleep 0.05; done")
    talker = await attach(container, stdin=True, tty=True)
    await talker.resize(123, 45)
    await talker.until(b"45 123")


async def test_input_of_a_terminal_is_read_by_the_container(cri, pod, attach):
    script = "read x; echo heard $x; exit 6"
    container = await cri.run(pod, ["sh", "-c", script], stdin=True, tty=True)
    talker = await attach(container, stdin=True, tty=True)
    await talker.send(b"you\n")
    await talker.until(b"heard you\r\n")
    assert (await cri.exited(container)).exit_code == 6


async def test_a_terminal_lives_on_when_its_client_leaves(cri, pod, attach):
    container = await cri.run(pod, ["sh"], stdin=True, tty=True)
    first = await attach(container, stdin=True, tty=True)
    await first.send(b"word=kept; echo $((1+1))\n")
    await first.until(b"2\r\n")
    first.close()
    second = await attach(container, stdin=True, tty=True)
    await second.send(b"echo still $word\n")
    await second.until(b"still kept\r\n")
    await second.send(b"exit 4\n")
    assert (await second.status())["status"] == "Success"
    assert (await cri.exited(container)).exit_code == 4


async def test_with_stdin_once_a_client_that_leaves_ends_the_input(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True, stdin_once=True)
    talker = await attach(container, stdin=True)
    await talker.send(b"last\n")
    await talker.until(b"got last\n")
    talker.close()
    assert (await cri.exited(container)).exit_code == 0
    assert log_lines(await cri.status(container))[-1] == "over"


async def test_a_client_that_does_not_read_is_dropped_without_delaying_others(cri, pod, attach):
    script = "sleep 1; head -c 60000000 /dev/zero | tr '\\0' x | fold -w 99; sleep 100"
    container = await cri.run(pod, ["sh", "-c", script])
    deaf = await attach(container)
    other = await attach(container)
    await other.wire.read_until(lambda: other.count() >= 60_606_060)
    assert other.count() == 60_606_060
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
    assert deaf.count() == 0
    assert "too slowly" in (await deaf.status())["message"]


async def test_much_input_reaches_a_container_that_reads_slowly(cri, pod, attach):
    script = "sleep 1; head -c 3000000 | wc -c; sleep 100"
    container = await cri.run(pod, ["sh", "-c", script], stdin=True)
    talker = await attach(container, stdin=True)
    for _ in range(30):
        await talker.send(b"x" * 100_000)
    await talker.until(b"3000000\n")


async def test_a_container_that_has_ended_between_call_and_connection_is_an_error(
    cri, pod, transport, talkers
):
    container = await cri.run(pod, ["sleep", "1000"])
    asked = api.AttachRequest(container_id=container, stdout=True)
    url = (await cri.runtime.Attach(asked)).url
    await cri.stop(container)
    talkers.append(await Talker.open(transport, url, "stdout"))
    status = await talkers[-1].status()
    assert "is not running" in status["message"]


async def test_attached_clients_do_not_outlive_a_removed_container(cri, pod, attach):
    container = await cri.run(pod, ["sleep", "1000"])
    talkers = [await attach(container) for _ in range(5)]
    await cri.stop(container)
    await cri.remove(container)
    statuses = [await talker.status() for talker in talkers]
    assert [status["status"] for status in statuses] == ["Success"] * 5


async def test_more_clients_than_conmon_queues_can_come_at_once(cri, pod, attach):
    container = await cri.run(pod, ECHO, stdin=True)
    talkers = await asyncio.gather(*(attach(container, stdin=True) for _ in range(40)))
    await asyncio.sleep(0.3)
    await talkers[0].send(b"all\n")
    await asyncio.gather(*(talker.until(b"got all\n") for talker in talkers))
