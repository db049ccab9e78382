"""One static masquerade rule for each pod subnet: nft in a separate table, or iptables
if nft is not installed or fails, as on a kernel without nf_tables.

Packets that leave the subnet get the node's address; packets within it, and multicast, do not.
Making the rule again changes nothing. It stays when the daemon stops, because the pods stay, too;
`remove` is for removing cri-shim from a node.
"""

import re
import shutil
from ipaddress import ip_network

from cri_shim.aio import child
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point

TABLE = "cri_shim"  # nft
CHAIN = "CRI-SHIM-MASQ"  # iptables

NOT_INSTALLED = "is installed"  # after "neither ... nor ..."
_LIMIT_S = 20.0  # other programs may hold the lock of iptables for a while


async def ensure(subnet: str) -> None:
    """Make the rule for `subnet` ("10.87.0.0/16") if it is missing; raises ToolFailed."""
    fault_point("network.masquerade.ensure")
    tools = {"nft": _ensure_by_nft, _iptables(subnet): _ensure_by_iptables}
    failures: list[str] = []
    for make in [make for tool, make in tools.items() if shutil.which(tool)]:
        try:
            return await make(subnet)
        except ToolFailed as e:  # the kernel may lack nf_tables, or the modules of iptables
            failures.append(str(e))
    problem = "; ".join(failures) or f"neither {' nor '.join(tools)} {NOT_INSTALLED}"
    raise ToolFailed(
        f"no masquerade rule for {subnet}, pods cannot reach other networks: {problem}"
    )


async def remove(subnet: str) -> None:
    """Remove the rule for `subnet`, if it exists."""
    if shutil.which("nft"):
        await _remove_by_nft(subnet)
    if shutil.which(_iptables(subnet)):
        for check, make in iptables_rules(subnet)[2:]:  # chain and jump may serve other subnets
            if (await child.run(check, timeout=_LIMIT_S)).returncode == 0:
                await _run(["-D" if word == "-A" else word for word in make])


def nft_chain(subnet: str) -> str:
    """Return the chain of a subnet; each subnet has its own name, so that they do not collide."""
    return "masquerade_" + re.sub(r"[^0-9a-f]", "_", str(ip_network(subnet)))


def nft_rules(subnet: str) -> str:
    """Return a transaction that leaves exactly this rule in the subnet's chain."""
    family, chain = _family(subnet), f"{_family(subnet)} {TABLE} {nft_chain(subnet)}"
    return (
        f"add table {family} {TABLE}\n"
        f"add chain {chain} {{ type nat hook postrouting priority 100; policy accept; }}\n"
        f"flush chain {chain}\n"
        f"add rule {chain} {family} saddr {subnet} {family} daddr != {subnet}"
        f" {family} daddr != {_multicast(subnet)} masquerade\n"
    )


def iptables_rules(subnet: str) -> list[tuple[list[str], list[str]]]:
    """Return pairs of commands: check and make. The first pair is for the chain, then a jump."""
    nat = [_iptables(subnet), "-w", "-t", "nat"]
    rules = [
        ["POSTROUTING", "-j", CHAIN],
        [CHAIN, "-s", subnet, "-d", subnet, "-j", "RETURN"],
        [CHAIN, "-s", subnet, "-d", _multicast(subnet), "-j", "RETURN"],
        [CHAIN, "-s", subnet, "-j", "MASQUERADE"],
    ]
    chain = ([*nat, "-n", "-L", CHAIN], [*nat, "-N", CHAIN])
    return [chain, *(([*nat, "-C", *rule], [*nat, "-A", *rule]) for rule in rules)]


async def _ensure_by_nft(subnet: str) -> None:
    await _run(["nft", "-f", "-"], nft_rules(subnet))


async def _ensure_by_iptables(subnet: str) -> None:
    for check, make in iptables_rules(subnet):
        if (await child.run(check, timeout=_LIMIT_S)).returncode != 0:
            await _run(make)


async def _remove_by_nft(subnet: str) -> None:
    family = _family(subnet)
    table, chain = f"{family} {TABLE}", f"{family} {TABLE} {nft_chain(subnet)}"
    listing = await child.run(["nft", "list", "table", family, TABLE], timeout=_LIMIT_S)
    if listing.returncode != 0:
        return  # no such table; on a kernel without nf_tables there is none at all
    # Made first, so that the deletion cannot fail: another instance may be removing its rule.
    made = f"add table {table}\nadd chain {chain}\n"
    await _run(["nft", "-f", "-"], made + f"delete chain {chain}\n")
    left = await child.run(["nft", "list", "table", family, TABLE], timeout=_LIMIT_S)
    if b"chain" not in left.stdout:
        await _run(["nft", "-f", "-"], f"add table {table}\ndelete table {table}\n")


async def _run(argv: list[str], stdin: str = "") -> None:
    done = await child.run(argv, stdin=stdin.encode(), timeout=_LIMIT_S)
    if done.returncode != 0:
        # nft repeats each line of its input with every error: the first error is enough.
        raise ToolFailed(f"{' '.join(argv)}: {done.complaint().splitlines()[0]}")


def _family(subnet: str) -> str:
    return "ip6" if ":" in subnet else "ip"


def _iptables(subnet: str) -> str:
    return "ip6tables" if ":" in subnet else "iptables"


def _multicast(subnet: str) -> str:
    return "ff00::/8" if ":" in subnet else "224.0.0.0/4"
