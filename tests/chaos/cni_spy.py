"""A CNI plugin for the end of a chain: it logs each call, and obeys files in its directory.

    slow        ADD waits until the file is gone
    fail-add    ADD fails
    fail-del    DEL fails, once for each pod

This file is copied into a plugin directory; tests use `Spy`.
"""

import json
import os
import sys
import time
from pathlib import Path


class Spy:
    """The directory of plugins, with links to the real ones, and the log of the spy."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, real: Path = Path("/usr/lib/cni")) -> None:
        self.directory.mkdir()
        for plugin in real.iterdir():
            (self.directory / plugin.name).symlink_to(plugin)
        script = self.directory / "spy"
        script.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text()}")
        script.chmod(0o755)

    def conflist(self, bridge: str, subnet: str, leases: Path) -> str:
        """Return a chain of a bridge with addresses from `subnet`, and the spy."""
        ipam = {"type": "host-local", "dataDir": str(leases), "ranges": [[{"subnet": subnet}]]}
        first = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipam": ipam}
        plugins = [first, {"type": "spy"}]
        return json.dumps({"cniVersion": "1.0.0", "name": "spied", "plugins": plugins})

    def tell(self, order: str) -> None:
        (self.directory / order).touch()

    def untell(self, order: str) -> None:
        (self.directory / order).unlink()

    def calls(self, verb: str) -> list[str]:
        """Return the pods of all calls of a verb, in order."""
        return [words[1] for words in self._lines() if words[0] == verb]

    def namespaces(self, verb: str, pod: str) -> list[str]:
        """Return the network namespace of each call of a verb for a pod; "" is none."""
        return [words[2] for words in self._lines() if words[:2] == [verb, pod]]

    def _lines(self) -> list[list[str]]:
        log = self.directory / "calls"
        return [line.split(" ") for line in log.read_text().splitlines()] if log.exists() else []


def main() -> None:
    here = Path(sys.argv[0]).parent
    verb, pod = os.environ["CNI_COMMAND"], os.environ.get("CNI_CONTAINERID", "")
    if verb == "VERSION":
        print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}))
        return
    with (here / "calls").open("a") as calls:
        calls.write(f"{verb} {pod} {os.environ.get('CNI_NETNS', '')}\n")
    if verb == "ADD":
        while (here / "slow").exists():
            time.sleep(0.01)
        if (here / "fail-add").exists():
            fail("told to fail in ADD")
        print(json.dumps(json.load(sys.stdin)["prevResult"]))
    elif verb == "DEL" and (here / "fail-del").exists() and not (here / f"failed-{pod}").exists():
        (here / f"failed-{pod}").touch()
        fail("told to fail once in DEL")


def fail(message: str) -> None:
    print(json.dumps({"cniVersion": "1.0.0", "code": 111, "msg": message}))
    sys.exit(1)


if __name__ == "__main__":
    main()
