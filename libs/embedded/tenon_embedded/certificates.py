from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenon_embedded.certificate import Certificate
from tenon_embedded.secret_file import write_secret

LIFETIME = timedelta(days=825)  # the longest that Apple's systems accept
RENEWAL = timedelta(days=30)
CLOCK_SKEW = timedelta(hours=1)


class CertificateAuthority:
    """Issues certificates for names on this machine; made in `directory` the first time.

    Everything is made again when less than 30 days of its 825 remain.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (is_current(self.cert) and holds_key(self._key)):
            self._found()

    @property
    def cert(self) -> Path:
        return self._directory / "ca.pem"

    def issue(self, name: str) -> Certificate:
        """For DNS names `name` and localhost and for 127.0.0.1, as a server and as a client."""
        issued = Certificate.within(self._directory, name)
        if not (is_current(issued.cert) and holds_key(issued.key) and self._signed(issued.cert)):
            key = ec.generate_private_key(ec.SECP256R1())
            write_secret(issued.key, private_pem(key))
            write_secret(issued.cert, self._sign(name, key).public_bytes(Encoding.PEM))
        return issued

    @property
    def _key(self) -> Path:
        return self._directory / "ca.key"

    def _found(self) -> None:
        """Make the authority itself. What an earlier one signed is issued again on demand."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = named("Tenon development authority")
        certificate = (
            dated(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier(key), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_secret(self._key, private_pem(key))
        write_secret(self.cert, certificate.public_bytes(Encoding.PEM))

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        authority = load(self.cert)
        authority_key = load_pem_private_key(self._key.read_bytes(), password=None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey), "made by _found"
        identified = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return (
            dated(named(name), authority.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(alternative_names(name), critical=False)
            .add_extension(identifier(key), critical=False)
            .add_extension(identified, critical=False)
            .sign(authority_key, hashes.SHA256())
        )

    def _signed(self, path: Path) -> bool:
        """Whether the present authority signed it, and not one before it."""
        try:
            load(path).verify_directly_issued_by(load(self.cert))
        except Exception:  # noqa: BLE001 (the library names no narrower one; then issue anew)
            return False
        return True


def is_current(path: Path) -> bool:
    """Whether it is there, whole, and not about to expire."""
    try:
        return expiry(path) - datetime.now(UTC) > RENEWAL
    except (FileNotFoundError, ValueError):
        return False


def holds_key(path: Path) -> bool:
    """Whether it is there, and whole."""
    try:
        load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return False
    return True


def expiry(path: Path) -> datetime:
    """When a certificate ends; FileNotFoundError, or ValueError if it is damaged."""
    return load(path).not_valid_after_utc


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now - CLOCK_SKEW + LIFETIME)
    )


def alternative_names(name: str) -> x509.SubjectAlternativeName:
    loopback = x509.IPAddress(ip_address("127.0.0.1"))
    return x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName("localhost"), loopback])


def identifier(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
