"""The server's certificate: loaded, loaded again, and kept while new files are not usable."""

import logging
import os
import ssl
import subprocess
from pathlib import Path

import pytest

from cri_shim.errors import ConfigError
from cri_shim.streaming.certificate import Certificate
from tests.fixtures.tls import make_certificate


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    make_certificate(tmp_path, "first")
    return Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")


def shown(context: ssl.SSLContext) -> bytes:
    """Return the certificate that a client gets in a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.getpeercert(binary_form=True) or b""


def test_changed_files_are_used_by_the_context_that_is_served(
    files: Certificate, tmp_path: Path
) -> None:
    context = files.load()
    first = shown(context)
    make_certificate(tmp_path, "second")
    files.refresh()
    assert first != shown(context) != b""


def test_files_that_did_not_change_are_not_read_again(
    files: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    files.load()
    with caplog.at_level(logging.INFO):
        files.refresh()
    assert caplog.messages == []


def test_a_pair_that_is_half_replaced_is_not_used(files: Certificate, tmp_path: Path) -> None:
    context = files.load()
    first = shown(context)
    (tmp_path / "new").mkdir()
    make_certificate(tmp_path / "new", "second")
    (tmp_path / "new" / "cert.pem").replace(tmp_path / "cert.pem")
    files.refresh()
    assert shown(context) == first
    (tmp_path / "new" / "key.pem").replace(tmp_path / "key.pem")
    files.refresh()
    assert shown(context) != first


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_malformed_new_files_leave_the_old_pair(
    files: Certificate, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    context = files.load()
    first = shown(context)
    (tmp_path / "cert.pem").unlink()
    if content is not None:
        (tmp_path / "cert.pem").write_bytes(content)
    files.refresh()
    assert shown(context) == first
    assert "[streaming] the changed certificate is not used" in caplog.text


def test_files_that_cannot_be_used_at_the_start_are_an_error_of_the_configuration(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=rf"cannot serve TLS with {tmp_path}/c and {tmp_path}/k"):
        Certificate(tmp_path / "c", tmp_path / "k").load()


def test_a_file_that_is_a_fifo_is_an_error_and_is_not_opened(
    files: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").unlink()
    os.mkfifo(tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"is not a regular file: .*key\.pem"):
        files.load()


def test_a_key_with_a_password_is_an_error_without_a_prompt(
    files: Certificate, tmp_path: Path
) -> None:
    plain, key = tmp_path / "plain.pem", tmp_path / "key.pem"
    key.rename(plain)
    subprocess.run(
        ["openssl", "ec", "-aes128", "-passout", "pass:secret", "-in", plain, "-out", key],
        check=True,
        capture_output=True,
    )
    with pytest.raises(ConfigError, match="the key is encrypted"):
        files.load()


def test_only_the_configured_versions_of_tls_are_accepted(tmp_path: Path) -> None:
    make_certificate(tmp_path, "first")
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    assert Certificate(*pair).load().minimum_version == ssl.TLSVersion.TLSv1_2
    newest = Certificate(*pair, "1.3").load()
    assert newest.minimum_version == ssl.TLSVersion.TLSv1_3
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = old.wrap_bio(to_client, to_server)
    server = newest.wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        server.do_handshake()


def test_a_client_cannot_ask_for_the_handshake_again(files: Certificate) -> None:
    assert files.load().options & ssl.OP_NO_RENEGOTIATION
