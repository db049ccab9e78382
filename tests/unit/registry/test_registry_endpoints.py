"""Endpoints: certificates and hosts.toml."""

from pathlib import Path

import pytest

from cri_shim.registry import certificates, hosts_toml
from cri_shim.registry.endpoint import Endpoint, Tls
from cri_shim.registry.endpoints import endpoints
from cri_shim.registry.failure import Failure
from cri_shim.registry.reference import parse
from cri_shim.registry.registries_conf import Mirror, Registries, Table

BASE = Endpoint("a.example:5000", "team/x")


def touch(place: Path, *names: str) -> Path:
    place.mkdir(parents=True)
    for name in names:
        (place / name).touch()
    return place


def expanded(tmp_path: Path, text: str) -> list[Endpoint]:
    (tmp_path / "hosts.toml").write_text(text)
    return hosts_toml.expand(BASE, tmp_path)


def test_an_endpoint_makes_urls() -> None:
    hub = Endpoint("docker.io", "library/x")
    proxy = Endpoint("m.example", "x", root="/p/v2", namespace="a.example")

    assert BASE.url("https", "blobs/1") == "https://a.example:5000/v2/team/x/blobs/1"
    assert hub.url("https", "manifests/1") == (
        "https://registry-1.docker.io/v2/library/x/manifests/1"
    )
    assert proxy.url("http", "blobs/1") == "http://m.example/p/v2/x/blobs/1?ns=a.example"
    assert proxy.api("http") == "http://m.example/p/v2/"


def test_headers_are_not_shown() -> None:
    assert "secret" not in repr(Endpoint("a", "b", headers=(("x", "secret"),)))


def test_certificates_are_those_of_the_first_directory_of_the_registry(tmp_path: Path) -> None:
    own = touch(tmp_path / "2/a.example:5000", "x.crt", "c.cert", "c.key", "README")
    touch(tmp_path / "2/a.example", "other.crt")
    tops = [str(tmp_path / "1"), str(tmp_path / "2")]

    found = certificates.of_registry("a.example:5000", tops)

    pair = (str(own / "c.cert"), str(own / "c.key"))
    assert found == Tls((str(own / "x.crt"),), (pair,))
    assert found.without_pairs().pairs == ()
    assert certificates.of_registry("b.example", tops) == Tls()


def test_the_user_s_own_certificates_come_first() -> None:
    assert certificates.directories(["/etc/x"], {"HOME": "/h"}) == [
        "/h/.config/containers/certs.d", "/etc/x",
    ]  # fmt: skip
    assert certificates.directories([], {"XDG_CONFIG_HOME": "/c"}) == ["/c/containers/certs.d"]


@pytest.mark.parametrize("name", ["c.cert", "c.key"])
def test_half_of_a_client_certificate_is_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "a", name)

    with pytest.raises(Failure, match=name):
        certificates.of_registry("a", [str(tmp_path)])


@pytest.mark.parametrize("name", ["a.example_5000_", "a.example:5000", "_default"])
def test_the_directory_of_a_registry_has_several_names(tmp_path: Path, name: str) -> None:
    place = touch(tmp_path / name)

    assert hosts_toml.directory_of("a.example:5000", [str(tmp_path)]) == place


def test_the_directory_of_the_name_comes_before_the_default(tmp_path: Path) -> None:
    touch(tmp_path / "1/_default")
    own = touch(tmp_path / "2/a.example")
    tops = [str(tmp_path / "1"), str(tmp_path / "2")]

    assert hosts_toml.directory_of("a.example", tops) == own
    assert hosts_toml.directory_of("a.example", []) is None


def test_hosts_come_in_the_order_of_the_file_and_the_server_last(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        """
server = "https://a.example:5000"
[host."https://m.example"]
capabilities = ["pull"]
ca = ["ca.crt", "/etc/ca.crt"]
client = "both.pem"
[host."http://n.example:80/p"]
skip_verify = true
client = [["c.cert", "c.key"], ["d.pem"]]
[host."http://n.example:80/p".header]
x-a = ["1", "2"]
[host."https://o.example/base"]
override_path = true
""",
    )

    first, second, third, server = found
    assert (first.authority, first.scheme, first.root) == ("m.example", "https", "/v2")
    assert (first.resolves, first.pulls, first.primary) == (False, True, False)
    assert first.tls.authorities == (str(tmp_path / "ca.crt"), "/etc/ca.crt")
    assert first.tls.pairs == ((str(tmp_path / "both.pem"), ""),)
    assert (first.registry, first.namespace) == ("m.example", "a.example:5000")
    assert (second.scheme, second.root, second.tls.verify) == ("http", "/p/v2", False)
    assert second.headers == (("x-a", "1"), ("x-a", "2"))
    assert len(second.tls.pairs) == 2
    assert third.root == "/base"
    assert (server.registry, server.namespace, server.primary) == ("a.example:5000", "", True)


def test_a_server_may_be_a_socket(tmp_path: Path) -> None:
    (found,) = expanded(tmp_path, 'server = "unix:///run/registry.sock"')

    assert (found.socket, found.scheme, found.registry) == (
        "/run/registry.sock", "http", "a.example:5000",
    )  # fmt: skip
    assert found.host == "unix:/run/registry.sock"


def test_a_directory_without_hosts_toml_has_certificates(tmp_path: Path) -> None:
    assert hosts_toml.expand(BASE, tmp_path) == [BASE]

    (tmp_path / "x.crt").touch()

    (found,) = hosts_toml.expand(BASE, tmp_path)
    assert found.tls.authorities == (str(tmp_path / "x.crt"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not = [toml", "is not TOML"),
        ("host = 7", "host is not a table"),
        ("server = 7", "server is not text"),
        ('server = "ftp://a"', "not the URL of a server"),
        ('server = "https://user:password@a"', "not the URL of a server"),
        ('[host."https://a"]\ncapabilities = ["fly"]', "'fly'"),
        ('[host."https://a"]\nskip_verify = "yes"', "skip_verify is not true or false"),
        ('[host."https://a"]\nca = 7', "ca is not text"),
        ('[host."https://a"]\nclient = [["1", "2", "3"]]', "pair of certificate and key"),
        ('[host."https://a"]\nheader = 7', "header is not a table"),
        ('[host."https://a".header]\nx = "a\\r\\nb"', "line break"),
    ],
)
def test_a_bad_hosts_toml_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Failure, match=words) as e:
        expanded(tmp_path, text)

    assert str(tmp_path / "hosts.toml") in e.value.message
    assert e.value.kind == "argument"


def test_endpoints_are_mirrors_then_the_registry_with_their_certificates(tmp_path: Path) -> None:
    touch(tmp_path / "m.example", "m.crt")
    table = Table("a.example", insecure=True, mirrors=(Mirror("m.example/copy"),))

    mirror, own = endpoints(
        parse("a.example/x"), Registries(tables={"a.example": table}), [str(tmp_path)]
    )

    assert (mirror.repository, mirror.scheme, mirror.primary) == (
        "m.example/copy/x",
        "https",
        False,
    )
    assert mirror.tls.authorities == (str(tmp_path / "m.example/m.crt"),)
    assert (own.repository, own.scheme, own.tls.verify) == ("a.example/x", "either", False)
    assert (own.insecure, mirror.insecure) == (True, False)


def test_a_host_that_does_not_resolve_is_asked_for_digests_only(tmp_path: Path) -> None:
    place = touch(tmp_path / "a.example")
    (place / "hosts.toml").write_text('[host."https://m.example"]\ncapabilities = ["pull"]\n')
    by_digest = parse("a.example/x@sha256:" + "0" * 64)

    def hosts(reference: object) -> list[str]:
        found = endpoints(reference, Registries(), [], [str(tmp_path)])  # type: ignore[arg-type]
        return [endpoint.authority for endpoint in found]

    assert hosts(parse("a.example/x:1")) == ["a.example"]
    assert hosts(by_digest) == ["m.example", "a.example"]


def test_a_file_that_leaves_no_server_is_an_argument(tmp_path: Path) -> None:
    place = touch(tmp_path / "a.example")
    (place / "hosts.toml").write_text('server = "https://a.example"\ncapabilities = ["push"]\n')

    with pytest.raises(Failure, match="no server"):
        endpoints(parse("a.example/x"), Registries(), [], [str(tmp_path)])
