from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tenon_core import clock
from tenon_gateway.cookies import CookieNames, read_cookies
from tenon_gateway.pipeline.credentials import allowed_origins
from tenon_gateway.settings import RATE_CLASSES, GatewaySettings, Rate
from tenon_gateway.transcoding.descriptors import load_services
from tenon_policy.policies import load_policies

GIVEN: dict[str, Any] = {
    "tls_ca": "ca.pem",
    "tls_cert": "cert.pem",
    "tls_key": "key.pem",
    "redis_url": "redis://127.0.0.1/0",
    "peers": {},
    "address_key_file": "address.key",
}


def settings(public_url: str, **more: object) -> GatewaySettings:
    return GatewaySettings.model_validate({**GIVEN, "public_url": public_url, **more})


@pytest.mark.parametrize(
    "url", ["http://app.example", "http://192.0.2.1:8000", "ftp://localhost", "localhost", ""]
)
def test_plain_http_is_for_loopback_alone(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        settings(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8", "https://app.example"]
)
def test_loopback_and_https_are_taken(url: str) -> None:
    assert settings(url).public_url == url


def test_storage_and_link_key_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="only work together"):
        settings("https://app.example", storage_directory=tmp_path)


def test_every_rate_class_of_the_protos_has_numbers() -> None:
    named = {policy.rate for policy in load_policies(load_services()).values()} - {""}
    assert named <= set(RATE_CLASSES)


def test_one_class_can_have_other_numbers() -> None:
    other = settings("https://a.example", rate_classes={"login": {"ip": {"count": 1}}})
    assert other.rate_class("login").ip == Rate(count=1)
    assert other.rate_class("read") == RATE_CLASSES["read"]


def test_cookies_over_https_are_bound_to_the_host() -> None:
    names = CookieNames.of(settings("https://app.example"))
    name, header = names.keep(names.access, "token", clock.now())
    text = header.decode()
    assert name == b"set-cookie"
    assert text.startswith("__Host-tenon_access=token; ")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(text.split("; "))
    assert "Domain" not in text
    assert names.refresh == "__Host-tenon_refresh"


@pytest.mark.parametrize(
    ("url", "port"), [("http://localhost:8123", 8123), ("http://localhost", 80)]
)
def test_cookies_over_http_name_the_port(url: str, port: int) -> None:
    names = CookieNames.of(settings(url))
    assert (names.access, names.refresh) == (f"tenon_access_{port}", f"tenon_refresh_{port}")


def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    assert read_cookies("a=1; b=x=y;a=2;  c ;") == {"a": "1", "b": "x=y", "c": "", "": ""}


@pytest.mark.parametrize(
    ("url", "environment", "origins"),
    [
        ("https://app.example", "development", {"https://app.example"}),
        ("https://app.example:443", "production", {"https://app.example"}),
        ("https://app.example:8443", "production", {"https://app.example:8443"}),
        ("http://localhost:80", "production", {"http://localhost"}),
        (
            "http://localhost:8000",
            "development",
            {"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"},
        ),
    ],
)
def test_our_own_origins(url: str, environment: str, origins: set[str]) -> None:
    assert allowed_origins(settings(url, environment=environment)) == origins
