"""The masquerade rule by whichever of nft and iptables works on the node."""

from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.network import masquerade

SUBNET = "10.77.0.0/24"
# The error of nft on a kernel without nf_tables; it reads its rules first.
NO_NF_TABLES = """cat >/dev/null
printf 'Error: Could not process rule: Operation not supported\\nadd table ip cri_shim\\n' >&2
exit 1"""


async def postrouting(node: Any) -> str:
    return str(await node.run("iptables-save"))


async def test_nft_is_used_where_it_works(node: Any) -> None:
    await masquerade.ensure(SUBNET)
    ruleset = await node.run("nft", "list", "ruleset")
    assert masquerade.nft_chain(SUBNET) in ruleset
    assert masquerade.CHAIN not in ruleset
    await masquerade.remove(SUBNET)
    assert masquerade.TABLE not in await node.run("nft", "list", "ruleset")


async def test_iptables_is_used_where_the_kernel_has_no_nf_tables(node: Any) -> None:
    node.script(node.tool_dir / "nft", NO_NF_TABLES)
    await masquerade.ensure(SUBNET)
    await masquerade.ensure(SUBNET)
    rule = f"-A {masquerade.CHAIN} -s {SUBNET} -j MASQUERADE"
    assert (await postrouting(node)).count(rule) == 1


async def test_a_rule_is_removed_where_the_kernel_has_no_nf_tables(node: Any) -> None:
    node.script(node.tool_dir / "nft", NO_NF_TABLES)
    await masquerade.ensure(SUBNET)
    await masquerade.remove(SUBNET)
    await masquerade.remove(SUBNET)
    assert SUBNET not in await postrouting(node)


async def test_if_both_tools_fail_one_line_has_both_errors(node: Any) -> None:
    node.script(node.tool_dir / "nft", NO_NF_TABLES)
    node.script(node.tool_dir / "iptables", "echo no such table >&2; exit 3")
    with pytest.raises(ToolFailed) as refusal:
        await masquerade.ensure(SUBNET)
    text = str(refusal.value)
    assert "Operation not supported" in text
    assert "no such table" in text
    assert "\n" not in text
