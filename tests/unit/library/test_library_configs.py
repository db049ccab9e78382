"""Configurations of the CRI from a few arguments; credentials."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.library import configs
from cri_shim.library.auth import Auth
from cri_shim.pb import api_pb2 as api


def test_a_pod_has_a_host_name_and_its_own_namespaces() -> None:
    config = configs.pod("my_pod", {"labels": {"a": "b"}, "log_directory": "/var/log/x"})

    assert (config.metadata.name, config.metadata.namespace) == ("my_pod", "default")
    assert (config.hostname, config.log_directory) == ("my-pod", "/var/log/x")
    assert config.linux.security_context.namespace_options.pid == api.CONTAINER
    assert dict(config.labels) == {"a": "b"}


def test_a_container_has_a_log_of_its_name_and_the_given_environment() -> None:
    config = configs.container("app:1", ["sh"], "main", {"env": {"A": "b"}, "tty": True})

    assert (config.log_path, config.tty) == ("main.log", True)
    assert [(each.key, each.value) for each in config.envs] == [("A", b"b")]


@pytest.mark.parametrize(
    "fields",
    [
        {"port_mappings": [{"hst_port": 1}]},
        {"dns_config": {"servers": 3}},
        {"linux": "x"},
    ],
)
def test_what_protobuf_refuses_is_named_without_its_words(fields: Any) -> None:
    with pytest.raises(InvalidArgument, match="does not fit this field of the CRI") as e:
        configs.pod("a", fields)

    (name,) = fields
    assert str(e.value).startswith(f"{name}: ")
    assert "Protocol message" not in str(e.value)


def test_credentials_show_no_secret_and_become_those_of_the_cri() -> None:
    auth = Auth("joe", "secret", server="r.example")

    assert repr(auth) == "Auth(username='joe', server='r.example')"
    expected = api.AuthConfig(username="joe", password="secret", server_address="r.example")
    assert auth.to_cri() == expected
    with pytest.raises(InvalidArgument, match=r"^password: is not a text$"):
        Auth("joe", b"secret")  # type: ignore[arg-type]
