"""The choice among the images of an index."""

import json

import pytest

from cri_shim.registry.platforms import choices, described, fits, variants

V3 = (
    "flags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm"
    " movbe xsave"
)
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


def entry(name: str, architecture: str = "amd64", variant: str = "", os: str = "linux") -> dict:  # type: ignore[type-arg]
    platform = {"os": os, "architecture": architecture}
    return {"digest": name, "platform": {**platform, **({"variant": variant} if variant else {})}}


def chosen(entries: list, architecture: str, usable: tuple[str, ...]) -> list[str]:  # type: ignore[type-arg]
    return [one["digest"] for one in choices(entries, architecture, usable)]


@pytest.mark.parametrize(
    ("architecture", "machine", "cpuinfo", "found"),
    [
        ("amd64", "x86_64", "flags : fpu", ("v1",)),
        ("amd64", "x86_64", "", ("v1",)),
        ("amd64", "x86_64", V3, ("v3", "v2", "v1")),
        ("amd64", "x86_64", V3.replace(" popcnt", ""), ("v1",)),
        ("amd64", "x86_64", V4, ("v4", "v3", "v2", "v1")),
        ("arm64", "aarch64", "", ("v8",)),
        ("arm", "armv7l", "", ("v7", "v6", "v5")),
        ("arm", "armv6l", "", ("v6", "v5")),
        ("arm", "aarch64", "", ("v8", "v7", "v6", "v5")),
        ("s390x", "s390x", "", ()),
    ],
)
def test_the_variants_of_a_machine(
    architecture: str, machine: str, cpuinfo: str, found: tuple[str, ...]
) -> None:
    assert variants(architecture, machine, cpuinfo) == found


def test_the_nearest_variant_comes_first_and_higher_ones_are_left_out() -> None:
    entries = [
        entry("1"),
        entry("4", variant="v4"),
        entry("2", variant="v2"),
        entry("3", variant="v3"),
    ]

    assert chosen(entries, "amd64", ("v3", "v2", "v1")) == ["3", "2", "1"]
    assert chosen(entries, "amd64", ("v1",)) == ["1"]


def test_a_variant_that_is_not_told_is_the_usual_one() -> None:
    assert chosen([entry("x", "arm")], "arm", ("v7", "v6")) == ["x"]
    assert chosen([entry("x", "arm")], "arm", ("v6", "v5")) == []
    assert chosen([entry("a", "arm64", "v8"), entry("b", "arm64")], "arm64", ("v8",)) == ["a", "b"]
    assert chosen([entry("x", "s390x", "z15")], "s390x", ()) == ["x"]


def test_other_systems_and_architectures_and_attestations_are_left_out() -> None:
    attestation = {
        **entry("a"),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    entries = [entry("w", os="windows"), entry("m", "m68k"), attestation, entry("u", "unknown")]

    assert chosen([*entries, entry("x")], "amd64", ("v1",)) == ["x"]


def test_entries_without_a_platform_come_last() -> None:
    entries = [{"digest": "n"}, {"digest": "o", "platform": {}}, entry("x")]

    assert chosen(entries, "amd64", ("v1",)) == ["x", "n", "o"]


def test_a_config_is_for_this_machine_or_not() -> None:
    def config(**fields: str) -> bytes:
        return json.dumps(fields).encode()

    assert fits(config(architecture="amd64", os="linux"), "amd64", ("v1",))
    assert fits(config(), "amd64", ("v1",))
    assert fits(b"no json", "amd64", ("v1",))
    assert not fits(config(architecture="amd64", os="windows"), "amd64", ("v1",))
    assert not fits(config(architecture="m68k"), "amd64", ("v1",))


def test_the_platforms_of_an_index_are_described() -> None:
    entries = [entry("a", variant="v2"), entry("b", "m68k"), entry("c", "m68k"), {"digest": "d"}]

    assert described([*entries, entry("u", "unknown", os="unknown")]) == (
        "linux/amd64/v2, linux/m68k"
    )
    assert described([]) == "none"
