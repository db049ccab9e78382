"""Compare the machine before and after a run: `save FILE`, then `compare FILE`."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.sentry.leaks import Scope, Things, left_behind, snapshot

_MACHINE = Scope(mark="cri-shim-test.", machine=True, whole=True)
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_RULES = (["nft", "list", "ruleset"], ["iptables-save"], ["losetup", "--list"])


def _everything() -> Things:
    """Return everything on the machine that tests may change, except parts of this process."""
    own = ("open ", "child process ")
    found = Counter({k: n for k, n in snapshot(_MACHINE).items() if not k.startswith(own)})
    for command in _RULES:
        try:
            output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            continue
        lines = (line.strip() for line in output.splitlines())
        found.update(f"{command[0]}: {_uncounted(line)}" for line in lines if _is_rule(line))
    found[f"ip_forward {_FORWARD.read_text().strip()}"] += 1
    found.update(f"{path}" for path in Path("/tmp").glob("cri-shim-*"))
    found.update(f"{path}" for path in Path("/tmp").glob("cst*"))
    return found


def _is_rule(line: str) -> bool:
    return bool(line) and not line.startswith(("#", ":", "COMMIT", "*"))


def _uncounted(line: str) -> str:
    """Remove packet counters, which change by themselves."""
    return re.sub(r"packets \d+ bytes \d+", "packets", line)


def main(action: str, file: Path) -> int:
    if action == "save":
        file.write_text(json.dumps(_everything()))
        return 0
    before = Counter(json.loads(file.read_text()))
    left_behind(before, _MACHINE)  # waits for processes that are ending
    now = _everything()
    for thing in sorted(now - before):
        print(f"left behind: {thing}")
    for thing in sorted(before - now):
        print(f"gone: {thing}")
    print("the machine is as it was before" if now == before else "the machine was changed")
    return 0 if now == before else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
