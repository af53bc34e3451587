"""Mutual TLS: both ends show a certificate of the system's own authority, which names them."""

from collections.abc import Iterable, Mapping

import grpc

from tenon_core.settings import ProcessSettings


def server_credentials(settings: ProcessSettings) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
        root_certificates=settings.tls_ca.read_bytes(),
        require_client_auth=True,
    )


def channel_credentials(settings: ProcessSettings) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=settings.tls_ca.read_bytes(),
        private_key=settings.tls_key.read_bytes(),
        certificate_chain=settings.tls_cert.read_bytes(),
    )


def peer_name(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Return which process the peer's certificate names, such as `reports` or `reports-worker`."""
    name = next(iter(auth_context.get("x509_common_name", ())), b"")
    return name.decode("ascii", "replace")
