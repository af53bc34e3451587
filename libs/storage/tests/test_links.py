import base64
from datetime import timedelta

import pytest

from tenon_storage.errors import LinkRefused
from tenon_storage.file_storage import FileStorage
from tenon_storage.links import Grant, attachment, sign_link, verify_link

KEY = b"k" * 32
GRANT = Grant("orgs/a/file.csv", "Flüge.csv")


async def test_the_file_drivers_link_names_object_and_file(file_storage: FileStorage) -> None:
    url = await file_storage.link(GRANT.path, GRANT.filename, timedelta(minutes=5))
    prefix, token = url.rsplit("/", 1)
    assert prefix == "https://tenon.example/api/files"
    assert verify_link(token, KEY) == GRANT


def test_an_expired_link_is_refused() -> None:
    with pytest.raises(LinkRefused):
        verify_link(sign_link(GRANT, timedelta(seconds=0), KEY), KEY)


def test_a_link_of_another_key_is_refused() -> None:
    with pytest.raises(LinkRefused):
        verify_link(sign_link(GRANT, timedelta(minutes=5), b"other"), KEY)


def test_every_changed_character_is_noticed() -> None:
    token = sign_link(GRANT, timedelta(minutes=5), KEY)
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "Q") + token[place + 1 :]
        with pytest.raises(LinkRefused):
            verify_link(changed, KEY)


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "a.b.c", "é.ü", "..", "%00.%00"])
def test_a_malformed_link_is_refused(token: str) -> None:
    with pytest.raises(LinkRefused):
        verify_link(token, KEY)


def test_an_unsigned_payload_is_refused() -> None:
    payload = base64.urlsafe_b64encode(b'["orgs/a/file.csv","f",99999999999]').decode().rstrip("=")
    with pytest.raises(LinkRefused):
        verify_link(f"{payload}.", KEY)


def test_a_file_name_cannot_add_a_header() -> None:
    value = attachment('a"\r\nSet-Cookie: x=1\\ü.csv')
    assert "\r" not in value
    assert "\n" not in value
    assert value.count('"') == 2
    assert value.endswith("filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3D1%5C%C3%BC.csv")
