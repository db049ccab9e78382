"""Which AppArmor profile is meant, by either field."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.apparmor import DEFAULT, ProfileRequest, default_profile, loaded, requested

RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = range(3)
LOCAL = {"profile_type": LOCALHOST, "localhost_ref": "localhost/mine"}


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({}, ProfileRequest()),
        ({"privileged": True}, None),
        ({"apparmor": {}}, ProfileRequest("apparmor")),
        ({"apparmor": {}, "privileged": True}, None),
        ({"apparmor": {"profile_type": UNCONFINED}}, ProfileRequest("apparmor", "unconfined")),
        ({"apparmor": LOCAL}, ProfileRequest("apparmor.localhost_ref", "mine")),
        ({"apparmor": LOCAL, "privileged": True}, ProfileRequest("apparmor.localhost_ref", "mine")),
        ({"apparmor_profile": "runtime/default"}, ProfileRequest("apparmor_profile")),
        ({"apparmor_profile": "unconfined"}, ProfileRequest("apparmor_profile", "unconfined")),
        ({"apparmor_profile": "localhost/old"}, ProfileRequest("apparmor_profile", "old")),
        (
            {"apparmor_profile": "localhost/old", "apparmor": LOCAL},
            ProfileRequest("apparmor.localhost_ref", "mine"),
        ),
    ],
)
def test_the_profile_of_a_container_is_read(
    fields: dict[str, Any], meant: ProfileRequest | None
) -> None:
    assert requested(api.LinuxContainerSecurityContext(**fields)) == meant


def test_a_pod_has_the_newer_field_only() -> None:
    assert requested(api.LinuxSandboxSecurityContext()) == ProfileRequest()
    local = api.SecurityProfile(profile_type=api.SecurityProfile.Localhost, localhost_ref="mine")
    assert requested(api.LinuxSandboxSecurityContext(apparmor=local)) == ProfileRequest(
        "apparmor.localhost_ref", "mine"
    )


@pytest.mark.parametrize("name", ["mine", "localhost/", "runtime/other"])
def test_another_form_of_the_deprecated_field_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^config\.linux\.security_context\.apparmor_prof"):
        requested(api.LinuxContainerSecurityContext(apparmor_profile=name))


def test_the_kernels_list_is_read_with_names_that_have_blanks() -> None:
    text = "cri-shim-default (enforce)\n/usr/bin/a b (complain)\nnot a profile\n"
    assert loaded(text) == {"cri-shim-default", "/usr/bin/a b"}


def test_the_default_profile_denies_mounting_and_includes_no_other_file() -> None:
    text = default_profile()
    assert f"profile {DEFAULT} flags=" in text
    assert "  deny mount,\n" in text
    assert "#include" not in text
