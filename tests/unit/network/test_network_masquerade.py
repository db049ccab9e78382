"""The words of the masquerade rule."""

from cri_shim.network import masquerade


def test_the_nft_rules_exclude_multicast_and_traffic_within_the_subnet():
    assert masquerade.nft_rules("10.87.0.0/16") == (
        "add table ip cri_shim\n"
        "add chain ip cri_shim masquerade_10_87_0_0_16"
        " { type nat hook postrouting priority 100; policy accept; }\n"
        "flush chain ip cri_shim masquerade_10_87_0_0_16\n"
        "add rule ip cri_shim masquerade_10_87_0_0_16 ip saddr 10.87.0.0/16"
        " ip daddr != 10.87.0.0/16 ip daddr != 224.0.0.0/4 masquerade\n"
    )


def test_an_ipv6_subnet_uses_the_ip6_family():
    rules = masquerade.nft_rules("fd00:3::/64")

    assert "add table ip6 cri_shim\n" in rules
    assert "ip6 daddr != ff00::/8 masquerade" in rules
    assert masquerade.iptables_rules("fd00:3::/64")[0][0][0] == "ip6tables"


def test_every_iptables_rule_is_checked_before_it_is_made():
    for check, make in masquerade.iptables_rules("10.87.0.0/16")[1:]:
        assert [word.replace("-C", "-A") for word in check] == make
