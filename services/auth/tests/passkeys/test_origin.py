import pytest

from tenon_auth.passkeys.ceremonies import origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://App.Tenon.example/", "https://app.tenon.example"),
        ("https://tenon.example:443/x", "https://tenon.example"),
        ("https://tenon.example:8443", "https://tenon.example:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_an_origin_is_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
