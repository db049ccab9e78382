"""Host ports: the rules of CNI's portmap plugin, which have the id of the pod as a comment.

In iptables a rule of the chain CNI-HOSTPORT-DNAT leads to the chain CNI-DN-X of the pod, which has
its address. In nftables they are in the table `cni_hostport`. The rules of other runtimes look the
same: those of an unknown pod are ours only if the pod has left other things of ours, or if its
address is of the bundled network.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cri_shim.aio import child
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records
from cri_shim.errors import CriShimError

KIND = "host port"
DETACH = "runs DEL of the network for it"
LIMIT_S = 20.0  # another program may hold the lock of iptables
OUTPUT_LIMIT = 32 << 20  # bytes: a node with thousands of Services has some MiB of rules
_COMMANDS = (
    ("iptables-save", "-t", "nat"),
    ("ip6tables-save", "-t", "nat"),
    ("nft", "list", "table", "inet", "cni_hostport"),
)
_ID = re.compile(r'id: \\?"([0-9a-f]{64})\\?"|comment "([0-9a-f]{64})"')
_CHAIN = re.compile(r"-j (CNI-DN-[0-9a-f]+)")
_ADDRESS = re.compile(
    r"(?:--to-destination |dnat (?:ip6? )?to )\[?([0-9a-fA-F.:]+?)\]?:\d+(?:\s|$)"
)

Subnets = Iterable[IPv4Network | IPv6Network]


async def rules() -> list[str]:
    """Return the lines of the rules of all host ports; none where no program lists them."""
    found: list[str] = []
    for command in _COMMANDS:
        if shutil.which(command[0]):
            try:
                done = await child.run(command, timeout=LIMIT_S, limit=OUTPUT_LIMIT, session=True)
            except CriShimError:
                continue
            text = done.stdout.decode(errors="replace") if done.returncode == 0 else ""
            found += [line for line in text.splitlines() if "CNI-DN-" in line or _ID.search(line)]
    return found


def find(
    place: Place, records: Records, lines: Iterable[str], subnets: Iterable[str] = ()
) -> Iterator[Difference]:
    """Yield a difference for each pod that has rules and is not attached.

    `subnets` are those of the bundled network.
    """
    own = [ip_network(subnet) for subnet in subnets]
    for id, addresses in sorted(owners(lines).items()):
        pod = records.pods.get(id)
        if records.unowned(id):
            if id not in place.evidence and not any(_within(a, own) for a in addresses):
                continue
            text = "the host ports of a pod that has no record"
        elif pod is not None and records.ended(id) and not pod.network.attachments:
            text = "the host ports of a pod that was detached"
        else:
            continue
        subject = records.subject(id, "pod")
        path = f"host port rules to {', '.join(sorted(addresses)) or 'its address'}"
        yield Difference(KIND, Sort.LEFTOVER, subject, path, text, DETACH)


def owners(lines: Iterable[str]) -> dict[str, set[str]]:
    """Return the ids of pods with host ports, and the addresses to which the rules lead."""
    lines = list(lines)
    ends: dict[str, set[str]] = {}  # of a chain
    for line in lines:
        if line.startswith("-A CNI-DN-") and (found := _ADDRESS.search(line)):
            ends.setdefault(line.split()[1], set()).add(found[1])
    found_ids: dict[str, set[str]] = {}
    for line in lines:
        if (match := _ID.search(line)) is None:
            continue
        addresses = found_ids.setdefault(match[1] or match[2], set())
        if chain := _CHAIN.search(line):
            addresses |= ends.get(chain[1], set())
        if direct := _ADDRESS.search(line):
            addresses.add(direct[1])
    return found_ids


def _within(address: str, subnets: Subnets) -> bool:
    try:
        return any(ip_address(address) in subnet for subnet in subnets)
    except ValueError:
        return False
