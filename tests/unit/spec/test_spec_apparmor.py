"""Which AppArmor profile is meant, by either field."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.apparmor import DEFAULT, Wanted, default_profile, loaded, wanted

RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = range(3)
LOCAL = {"profile_type": LOCALHOST, "localhost_ref": "localhost/mine"}


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({}, Wanted()),
        ({"privileged": True}, None),
        ({"apparmor": {}}, Wanted("apparmor")),
        ({"apparmor": {}, "privileged": True}, None),
        ({"apparmor": {"profile_type": UNCONFINED}}, Wanted("apparmor", "unconfined")),
        ({"apparmor": LOCAL}, Wanted("apparmor.localhost_ref", "mine")),
        ({"apparmor": LOCAL, "privileged": True}, Wanted("apparmor.localhost_ref", "mine")),
        ({"apparmor_profile": "runtime/default"}, Wanted("apparmor_profile")),
        ({"apparmor_profile": "unconfined"}, Wanted("apparmor_profile", "unconfined")),
        ({"apparmor_profile": "localhost/old"}, Wanted("apparmor_profile", "old")),
        (
            {"apparmor_profile": "localhost/old", "apparmor": LOCAL},
            Wanted("apparmor.localhost_ref", "mine"),
        ),
    ],
)
def test_what_a_container_asks_for(fields: dict[str, Any], meant: Wanted | None) -> None:
    assert wanted(api.LinuxContainerSecurityContext(**fields)) == meant


def test_a_pod_has_the_newer_field_only() -> None:
    assert wanted(api.LinuxSandboxSecurityContext()) == Wanted()
    local = api.SecurityProfile(profile_type=api.SecurityProfile.Localhost, localhost_ref="mine")
    assert wanted(api.LinuxSandboxSecurityContext(apparmor=local)) == Wanted(
        "apparmor.localhost_ref", "mine"
    )


@pytest.mark.parametrize("name", ["mine", "localhost/", "runtime/other"])
def test_another_form_of_the_deprecated_field_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^config\.linux\.security_context\.apparmor_prof"):
        wanted(api.LinuxContainerSecurityContext(apparmor_profile=name))


def test_the_kernels_list_is_read_with_names_that_have_blanks() -> None:
    text = "cri-shim-default (enforce)\n/usr/bin/a b (complain)\nnot a profile\n"
    assert loaded(text) == {"cri-shim-default", "/usr/bin/a b"}


def test_the_default_profile_denies_mounting_and_includes_no_other_file() -> None:
    text = default_profile()
    assert f"profile {DEFAULT} flags=" in text
    assert "  deny mount,\n" in text
    assert "#include" not in text
