"""Which versions of OCI runtimes have known escapes, and which a distribution has mended."""

import pytest

from cri_shim.oci import advisories

LEAKY = "CVE-2024-21626"
DEV, CRUN_DEV = "CVE-2026-41579", "CVE-2026-47766"
MASKED = ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881")


def named(version_line: str, mended: set[str] | None = None) -> set[str]:
    said = " ".join(advisories.found(version_line, mended))
    return {id for advisory in advisories.KNOWN for id in advisory.ids if id in said}


@pytest.mark.parametrize(
    ("version_line", "ids"),
    [
        ("runc version 1.0.0-rc6", {"CVE-2019-5736", "CVE-2021-30465", LEAKY, *MASKED, DEV}),
        ("runc version 1.0.0-rc7", {"CVE-2021-30465", LEAKY, *MASKED, DEV}),
        ("runc version 1.0.0~rc93+ds1", {"CVE-2021-30465", LEAKY, *MASKED, DEV}),
        ("runc version 1.1.5+ds1", {LEAKY, *MASKED, DEV}),
        ("runc version 1.1.12", {*MASKED, DEV}),
        ("runc version 1.2.0", {*MASKED, DEV}),
        ("runc version 1.2.8", {DEV}),
        ("runc version 1.3.2", {*MASKED, DEV}),
        ("runc version 1.3.3", {DEV}),
        ("runc version 1.4.0-rc.2", {*MASKED, DEV}),
        ("runc version 1.4.0-rc.3", {DEV}),
        ("runc version 1.3.6", set()),
        ("runc version 1.4.3", set()),
        ("runc version 1.5.0", set()),
        ("runc version 2.0.0", set()),
        ("crun version 0.10.2", {"CVE-2019-16884", "CVE-2019-18837", "CVE-2022-27650", CRUN_DEV}),
        ("crun version 1.4.3", {"CVE-2022-27650", CRUN_DEV}),
        ("crun version 1.8.1", {CRUN_DEV}),
        ("crun version 1.28", set()),
        ("crun version 1.29.1", set()),
        ("youki version 0.1.0", set()),
        ("", set()),
        ("runc of ours", set()),
        (f"runc version {'9' * 5000}.1", set()),
    ],
)  # fmt: skip
def test_a_version_has_the_escapes_that_were_fixed_after_it(
    version_line: str, ids: set[str]
) -> None:
    assert named(version_line) == ids


def test_a_hole_that_the_packages_changelog_names_is_fixed() -> None:
    assert named("runc version 1.1.5+ds1", {LEAKY}) == {*MASKED, DEV}
    assert named("runc version 1.1.5+ds1", {LEAKY, MASKED[0]}) == {*MASKED[1:], DEV}


def test_the_warning_has_a_remedy_and_mentions_fixes_of_distributions() -> None:
    (said,) = advisories.found("crun version 1.8.1", None)
    assert "CVE-2026-47766" in said
    assert "unless your distribution fixed it" in said
    assert "install crun 1.28" in said
    (sure,) = advisories.found("crun version 1.8.1", set())
    assert "unless" not in sure
