import socket
import ssl
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from tenon_embedded import certificates
from tenon_embedded.certificate import Certificate
from tenon_embedded.certificates import CertificateAuthority


def context(certificate: Certificate, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(certificate.ca))
    made.load_cert_chain(certificate.cert, certificate.key)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def handshake(server: Certificate, client: Certificate, name: str) -> str:
    """The server's common name as the client sees it; both sides check the other's."""
    ours, theirs = socket.socketpair()
    accepting = context(server, ssl.Purpose.CLIENT_AUTH)
    accepted = Thread(target=lambda: accepting.wrap_socket(theirs, server_side=True).close())
    accepted.start()
    connecting = context(client, ssl.Purpose.SERVER_AUTH)
    try:
        with connecting.wrap_socket(ours, server_hostname=name) as connection:
            subject = connection.getpeercert()["subject"]  # type: ignore[index] # None only without a handshake
    finally:
        accepted.join()
    return str(subject[0][0][1])


@pytest.mark.parametrize("name", ["auth", "localhost", "127.0.0.1"])
def test_two_services_trust_each_other(tmp_path: Path, name: str) -> None:
    authority = CertificateAuthority(tmp_path)
    assert handshake(authority.issue("auth"), authority.issue("gateway"), name) == "auth"


def test_issuing_again_changes_nothing(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path).issue("auth").cert.read_bytes()
    assert CertificateAuthority(tmp_path).issue("auth").cert.read_bytes() == first


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    issued = CertificateAuthority(tmp_path).issue("auth")
    for key in (issued.key, tmp_path / "ca.key"):
        assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", ["auth.pem", "auth.key", "ca.pem", "ca.key"])
@pytest.mark.parametrize("how", ["deleted", "cut"])
def test_what_is_damaged_is_issued_again(tmp_path: Path, damaged: str, how: str) -> None:
    CertificateAuthority(tmp_path).issue("auth")
    if how == "deleted":
        (tmp_path / damaged).unlink()
    else:
        (tmp_path / damaged).write_bytes(b"")
    authority = CertificateAuthority(tmp_path)
    assert handshake(authority.issue("auth"), authority.issue("gateway"), "auth") == "auth"


def test_what_is_about_to_expire_is_issued_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", timedelta(days=29))
    old = CertificateAuthority(tmp_path).issue("auth").cert.read_bytes()
    monkeypatch.undo()
    renewed = CertificateAuthority(tmp_path)
    assert renewed.issue("auth").cert.read_bytes() != old
    assert handshake(renewed.issue("auth"), renewed.issue("gateway"), "auth") == "auth"
