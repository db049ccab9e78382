"""Timelines outlive their pods; the command finds them, draws them and says no."""

import asyncio
import os
import termios
from pathlib import Path
from typing import Any

import pytest

from cri_shim.cli import exit_codes
from tests.fixtures.commands import command, cri_shim, in_terminal, shown, shown_json
from tests.fixtures.cri import Cri, pod_config


async def test_the_newest_pod_of_a_name_is_meant(cri: Cri, node: Any) -> None:
    first = await cri.run_pod(pod_config(cri.daemon, "twice"))
    await cri.remove_pod(first)
    second = await cri.run_pod(pod_config(cri.daemon, "twice"))
    await cri.remove_pod(second)
    assert (await shown_json(cri, "timeline", "twice", "--json"))["id"] == second
    assert (await shown_json(cri, "timeline", first, "--json"))["id"] == first


async def test_the_slowest_pods_are_listed_with_their_longest_stage(cri: Cri, node: Any) -> None:
    quick = await cri.run_pod(pod_config(cri.daemon, "fast"))
    node.plugin_sleeps(3)
    slow = await cri.run_pod(pod_config(cri.daemon, "slowest"))
    listed = (await shown_json(cri, "timeline", "--slowest", "-o", "json"))["pods"]
    assert (listed[0]["id"], listed[0]["longestStage"]) == (slow, "CNI slow ADD")
    assert quick in [pod["id"] for pod in (await slowest(cri, "1000"))]
    assert len(await slowest(cri, "1")) == 1
    head, first, *_ = (await shown(cri, "timeline", "--slowest")).splitlines()
    assert head.split() == ["POD", "ID", "BEGIN", "TOOK", "LONGEST", "STAGE", "RESULT", "NAME"]
    assert "CNI slow ADD (3." in first
    assert first.endswith("started   test/slowest")


async def slowest(cri: Cri, number: str) -> list[dict[str, Any]]:
    listed = await shown_json(cri, "timeline", "--slowest", number, "--json")
    found: list[dict[str, Any]] = listed["pods"]
    return found


async def test_the_page_and_the_text_of_a_pod(cri: Cri, node: Any, tmp_path: Path) -> None:
    await cri.run_pod(pod_config(cri.daemon, "shown"))
    assert await shown(cri, "timeline", "shown", "--html", str(tmp_path / "page.html")) == ""
    page = (tmp_path / "page.html").read_text()
    assert await shown(cri, "timeline", "shown", "--html", "-") == page
    assert page.startswith("<!DOCTYPE html>")
    assert "CNI slow ADD" in page
    text = await shown(cri, "timeline", "shown")
    assert text.startswith("pod test/shown (")
    assert "\x1b" not in text


@pytest.mark.parametrize("columns", [40, 60, 200])
async def test_it_fits_the_terminal(cri: Cri, node: Any, columns: int) -> None:
    await cri.run_pod(pod_config(cri.daemon, f"fits{columns}"))
    words = command(cri, "timeline", f"fits{columns}")
    dumb = {**os.environ, "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    async with in_terminal("sh", "-c", 'read -r go; exec "$@"', "sh", *words, env=dumb) as screen:
        termios.tcsetwinsize(screen.fd, (24, columns))
        screen.type(b"\n")
        await screen.until(lambda seen: b"CNI quick" in seen.partition(b"RunPodSandbox")[2])
        async with asyncio.timeout(60):
            await screen.process.wait()
    drawn = screen.seen.decode(errors="replace").split("\r\n")[2:]
    assert [line for line in drawn if len(line) > columns] == []
    assert b"\x1b" not in screen.seen


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nosuch",), exit_codes.NOT_FOUND, "no pod with name or ID nosuch"),
        ((), exit_codes.USAGE, "name one POD, or give --slowest"),
        (("x", "--slowest"), exit_codes.USAGE, "name one POD, or give --slowest"),
        (("--slowest", "0"), exit_codes.USAGE, "must be a number from 1 to 1000, not '0'"),
        (("x", "--html", "-", "--json"), exit_codes.USAGE, "--html shows one POD, without -o"),
        (("../../etc/passwd",), exit_codes.NOT_FOUND, "no pod with name or ID ../../etc/passwd"),
    ],
)
async def test_wrong_words_are_one_sentence(
    cri: Cri, node: Any, words: tuple[str, ...], code: int, text: str
) -> None:
    done = await cri_shim(cri, "timeline", *words)
    assert done.returncode == code
    assert text in done.stderr.decode()
    assert done.stdout == b""
