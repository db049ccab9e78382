"""Users and groups: the request, the image's User, and the image's own passwd and group files."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import users
from cri_shim.spec.users import User

PASSWD = """# accounts
root:x:0:0:root:/root:/bin/sh
broken line
app:x:1000:1001::/home/app:/bin/sh
1000:x:0:0:a trap:/root:/bin/sh
nobody:x:65534:65534
"""
GROUP = """root:x:0:
app:x:1001:
extra:x:50000:someone, app
broken:x:many:app
"""
FIELD = "config.linux.security_context"


def resolve(image_user: str = "", passwd: str = PASSWD, group: str = GROUP, **context: Any) -> User:
    message = api_pb2.LinuxContainerSecurityContext(**context)
    return users.resolve(message, image_user, passwd, group)


def uid(value: int) -> api_pb2.Int64Value:
    return api_pb2.Int64Value(value=value)


MANY = "1" * 5000  # Python counts no more than 4,300 digits


@pytest.mark.parametrize("image_user", [MANY, f"-{MANY}", f"0:{MANY}", "4294967296", "2147483648"])
def test_a_number_beyond_every_id_is_out_of_range(image_user: str) -> None:
    with pytest.raises(InvalidArgument, match="is out of range, 0 to 2147483647") as caught:
        resolve(image_user)
    assert len(str(caught.value)) < 6000


def test_leading_zeros_are_ignored() -> None:
    assert resolve("0" * 5000 + "1000").uid == 1000
    assert resolve("-0").uid == 0


def test_a_line_of_passwd_or_group_with_an_id_out_of_range_is_skipped() -> None:
    passwd = f"odd:x:{MANY}:0::/:\nodder:x:0:{MANY}::/:\n{PASSWD}"
    assert resolve("app:app", passwd=passwd, group=f"app:x:{MANY}:\n{GROUP}").gid == 1001


def test_the_default_user_is_root_with_the_home_of_passwd() -> None:
    assert resolve() == User(0, 0, (0,), "/root")


def test_an_image_without_passwd_and_group_runs_as_root_without_a_home() -> None:
    assert resolve(passwd="", group="") == User(0, 0, (0,), "")


def test_a_uid_takes_its_primary_group_and_memberships_from_the_image() -> None:
    assert resolve(run_as_user=uid(1000)) == User(1000, 1001, (1001, 50000), "/home/app")


def test_a_uid_without_an_entry_has_group_zero() -> None:
    assert resolve(run_as_user=uid(4242)) == User(4242, 0, (0,), "")


def test_run_as_group_replaces_the_primary_group() -> None:
    found = resolve(run_as_user=uid(1000), run_as_group=uid(7))

    assert (found.gid, found.additional_gids) == (7, (7, 50000))


def test_policy_strict_adds_no_memberships() -> None:
    found = resolve(
        run_as_user=uid(1000),
        supplemental_groups=[1234, 5678],
        supplemental_groups_policy=api_pb2.Strict,
    )

    assert found.additional_gids == (1001, 1234, 5678)


def test_supplemental_groups_go_with_the_images_user() -> None:
    found = resolve("app", supplemental_groups=[1234])

    assert (found.uid, found.additional_gids) == (1000, (1001, 1234, 50000))


def test_a_user_name_is_looked_up_in_passwd() -> None:
    assert resolve(run_as_username="nobody") == User(65534, 65534, (65534,), "")


@pytest.mark.parametrize(
    ("image_user", "uid_gid"),
    [
        ("app", (1000, 1001)),
        ("1000", (1000, 1001)),
        ("app:extra", (1000, 50000)),
        ("1003:1004", (1003, 1004)),
        ("nobody:1004", (65534, 1004)),
        ("4000", (4000, 0)),
        (":extra", (0, 50000)),
    ],
)
def test_the_images_user_is_read_in_all_its_forms(
    image_user: str, uid_gid: tuple[int, int]
) -> None:
    found = resolve(image_user)

    assert (found.uid, found.gid) == uid_gid


def test_the_request_is_stronger_than_the_image_and_does_not_take_its_group() -> None:
    found = resolve("1003:1004", run_as_user=uid(2000))

    assert (found.uid, found.gid) == (2000, 0)


def test_a_number_is_never_looked_up_as_a_name() -> None:
    trap = "1000:x:0:0::/root:/bin/sh\n"

    assert resolve("1000", passwd=trap).uid == 1000
    assert resolve(passwd=trap, run_as_username="1000").uid == 1000


def test_an_unknown_user_name_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(run_as_username="ghost")

    assert caught.value.field == f"{FIELD}.run_as_username"


@pytest.mark.parametrize("image_user", ["ghost", "app:ghosts", "4294967296", "-1", "1:4294967296"])
def test_an_impossible_user_of_the_image_is_refused_with_its_text(image_user: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(image_user)

    assert caught.value.field == f"config.image: the image's User '{image_user}'"


def test_status_reports_the_user_with_all_groups() -> None:
    assert User(1, 2, (2, 3)).to_cri() == api_pb2.LinuxContainerUser(
        uid=1, gid=2, supplemental_groups=[2, 3]
    )
