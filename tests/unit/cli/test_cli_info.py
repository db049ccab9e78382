"""The text of `info`: figures for people; JSON keeps bytes."""

from cri_shim.cli.commands.info import outline


def test_figures_are_for_people() -> None:
    facts = {
        "daemon": {"ready": True, "notReady": []},
        "host": {"memoryTotal": 25276063744, "swapTotal": 0, "cpus": 2, "uptime": 90061.5},
        "store": {"fileSystem": {"total": 270553174016, "free": 900}},
    }

    assert list(outline(facts)) == [
        "daemon:",
        "  ready: yes",
        "  notReady: none",
        "host:",
        "  memoryTotal: 23.5 GiB",
        "  swapTotal: 0 B",
        "  cpus: 2",
        "  uptime: 1 day, 1:01:02",
        "store:",
        "  fileSystem:",
        "    total: 252.0 GiB",
        "    free: 900 B",
    ]
