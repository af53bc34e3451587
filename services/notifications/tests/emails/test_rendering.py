from dataclasses import asdict
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any, cast
from uuid import UUID

import pytest

from tenon_notifications.clients import (
    DeletionNotice,
    ErasureNotice,
    ErasureReceipt,
    OrganizationReceipt,
    Person,
)
from tenon_notifications.emails.models import Email, Kind
from tenon_notifications.emails.rendering import Envelope, Rendered, Renderer, size
from tenon_notifications.errors import Undeliverable

ID = UUID("01890000-0000-7000-8000-000000000001")
DATE = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
ADA = Person("Ada", "ada@example.com")
RUN: dict[str, Any] = {
    "dataset_name": "Flights",
    "format": "CSV",
    "rows": 336776,
    "size_bytes": 23_456_789,
    "file_url": "https://tenon.test/api/orgs/o/runs/r/file?a=1&b=2",
    "failure": "the dataset was deleted",
    "expire_time": datetime(2026, 12, 7, tzinfo=UTC),
}
SESSION: dict[str, Any] = {
    "device": "Firefox on Linux",
    "ip_address": "192.0.2.7",
    "create_time": datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
}
LINK: dict[str, Any] = {
    "token": "c2VjcmV0",
    "expire_time": datetime(2026, 11, 23, 13, 30, tzinfo=UTC),
}
API_KEY: dict[str, Any] = {
    "actor_name": "Grace",
    "key_id": "01890000-0000-7000-8000-000000000002",
    "key_name": "Nightly",
}
INVITATION: dict[str, Any] = {"organization_name": "Acme", "role": "member"}
ERASURE: dict[str, Any] = asdict(
    ErasureNotice(
        request_time=datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
        receipts=(ErasureReceipt("auth", 1, 12, datetime(2026, 11, 23, 9, 6, tzinfo=UTC)),),
    )
)
# As of one organization, whose receipts tell more than those of a person.
DELETION: dict[str, Any] = asdict(
    DeletionNotice(
        org_id=str(ID),
        org_name="Acme",
        request_time=datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
        delete_time=datetime(2026, 12, 7, 9, 5, tzinfo=UTC),
        receipts=(OrganizationReceipt("auth", 1, 12, 3, datetime(2026, 11, 23, 9, 6, tzinfo=UTC)),),
    )
)


def rendered(kind: Kind, product_name: str = "Tenon", **facts: Any) -> Rendered:
    return Renderer("https://tenon.test", product_name).render(
        kind,
        {
            "name": "Ada",
            **LINK,
            **SESSION,
            **RUN,
            **INVITATION,
            **API_KEY,
            **ERASURE,
            **DELETION,
            **facts,
        },
    )


def sent(to: Person = ADA, words: Rendered | None = None) -> EmailMessage:
    """Compose a message, and read it as its recipient's program would."""
    words = words or rendered(Kind.RUN_SUCCEEDED, name=to.name, dataset_name=to.name)
    message = Envelope("Tenon <no-reply@tenon.test>").message(ID, to, words, DATE)
    read: Message = message_from_bytes(message.as_bytes(), policy=default)
    return cast("EmailMessage", read)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_templates(kind: Kind) -> None:
    words = rendered(kind)
    assert words.subject
    assert "Hello Ada," in words.text
    assert "<p>Hello Ada,</p>" in words.html


def test_receipts_of_an_erasure_are_told_one_by_one() -> None:
    words = rendered(Kind.ACCOUNT_ERASED)
    for text in (words.text, words.html):
        assert "auth: 1 keys and 12 rows, 23 November 2026, 09:06 UTC" in text


def test_what_was_destroyed_of_an_organization_is_told_one_by_one() -> None:
    words = rendered(Kind.ORGANIZATION_ERASED)
    for text in (words.text, words.html):
        assert "auth: 1 keys, 12 rows and 3 files, 23 November 2026, 09:06 UTC" in text
        assert str(ID) in text


def test_owners_are_told_until_when_they_can_undo_it() -> None:
    words = rendered(Kind.ORGANIZATION_DELETION_SCHEDULED)
    assert words.subject == "Acme is going to be deleted"
    for text in (words.text, words.html):
        assert "7 December 2026, 09:05 UTC" in text


def test_a_new_device_is_told_with_its_time() -> None:
    words = rendered(Kind.NEW_DEVICE)
    for said in ("Firefox on Linux", "192.0.2.7", "23 November 2026, 09:05 UTC"):
        assert said in words.text
        assert said in words.html


@pytest.mark.parametrize("kind", [Kind.API_KEY_CREATED, Kind.API_KEY_ROTATED])
def test_a_bad_name_of_a_key_or_its_creator_is_left_out(kind: Kind) -> None:
    evil = "Log in at https://evil.example/"
    words = rendered(kind, actor_name=evil, key_name=evil)
    for text in (words.text, words.html):
        assert "evil" not in text
        assert "A member " in text
        assert "name not shown" in text


def test_a_finished_run_says_what_is_in_the_file_and_where_it_is() -> None:
    words = rendered(Kind.RUN_SUCCEEDED)
    assert words.subject == "Your export of Flights is ready"
    assert "336,776 rows, CSV, 23.5 MB" in words.text
    assert "\nhttps://tenon.test/api/orgs/o/runs/r/file?a=1&b=2\n" in words.text
    assert "until 7 December 2026" in words.text
    assert 'href="https://tenon.test/api/orgs/o/runs/r/file?a=1&amp;b=2"' in words.html


def test_a_failed_run_says_why() -> None:
    words = rendered(Kind.RUN_FAILED)
    assert words.subject == "Your export of Flights failed"
    assert "the dataset was deleted" in words.text
    assert "the dataset was deleted" in words.html


def test_names_are_no_markup() -> None:
    words = rendered(Kind.RUN_SUCCEEDED, name="<b>Ada</b>", dataset_name="<script>x</script>")
    assert "<b>" not in words.html
    assert "<script>" not in words.html
    assert "&lt;b&gt;Ada&lt;/b&gt;" in words.html


@pytest.mark.parametrize(
    "evil", ["x\r\nBcc: eve@evil.test", "x\nBcc: eve@evil.test", "x\r\n\r\nbody", "x\u2028y\x00z"]
)
def test_a_name_cannot_add_a_header_or_a_line(evil: str) -> None:
    words = rendered(Kind.RUN_SUCCEEDED, name=evil, dataset_name=evil)
    message = sent(Person(evil, "ada@example.com"), words)
    plain = sent(ADA, rendered(Kind.RUN_SUCCEEDED))
    assert message.keys() == plain.keys()
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]
    assert len(words.text.splitlines()) == len(rendered(Kind.RUN_SUCCEEDED).text.splitlines())


def test_names_of_any_script_arrive_whole() -> None:
    message = sent(Person("Ægir Þórsson 🦊", "aegir@example.com"))
    assert message["To"].addresses[0].display_name == "Ægir Þórsson 🦊"
    assert message["Subject"] == "Your export of Ægir Þórsson 🦊 is ready"


def test_the_message_id_is_that_of_the_mail() -> None:
    message = sent()
    assert message["Message-ID"] == f"<{ID}@tenon.test>"
    assert message["Date"].datetime == DATE


def test_a_mail_has_text_and_html() -> None:
    message = sent()
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "text/html"]


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c", "x@example.com\r\nBcc: eve@evil.test"])
def test_an_address_that_cannot_be_written_is_undeliverable(address: str) -> None:
    with pytest.raises(Undeliverable) as refused:
        sent(Person("Ada", address))
    assert "example.com" not in str(refused.value)


def test_one_event_makes_one_mail_of_a_kind() -> None:
    def mail(kind: Kind) -> UUID:
        return Email.because_of(ID, kind, ID).id

    assert mail(Kind.WELCOME) == mail(Kind.WELCOME) != mail(Kind.RUN_FAILED)


def test_a_mail_survives_its_payload() -> None:
    email = Email.because_of(ID, Kind.RUN_FAILED, ID, org_id=ID, subject_id=ID)
    assert Email.from_payload(email.to_payload()) == email
    welcome = Email.because_of(ID, Kind.WELCOME, ID)
    assert Email.from_payload(welcome.to_payload()) == welcome


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (23_456_789, "23.5 MB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes_are_read_easily(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (Kind.INVITATION, "organization_name"),
        (Kind.OWNERSHIP_OFFERED, "organization_name"),
        (Kind.ORGANIZATION_DELETION_SCHEDULED, "org_name"),
        (Kind.API_KEY_CREATED, "key_name"),
        (Kind.API_KEY_CREATED, "actor_name"),
        (Kind.API_KEY_ROTATED, "organization_name"),
        (Kind.RUN_SUCCEEDED, "dataset_name"),
        (Kind.NEW_DEVICE, "device"),
        (Kind.PASSWORD_CHANGED, "name"),
    ],
)
def test_no_name_makes_a_link(kind: Kind, field: str) -> None:
    """Neither a name from before the rules for names, nor one that is a domain."""
    words = rendered(kind, **{field: "Your account is locked: https://evil.example/"})
    assert "evil" not in f"{words.subject}{words.text}{words.html}"
    words = rendered(kind, **{field: "evil.example"})
    assert "evil.example" not in words.text
    assert "evil.example" not in words.html
    assert "evil.\u200bexample" in words.text


@pytest.mark.parametrize("kind", list(Kind))
def test_mails_name_the_product_as_the_operator_does(kind: Kind) -> None:
    words = rendered(kind, product_name="Beacon & Co")
    assert "Tenon" not in f"{words.subject}{words.text}{words.html}"
    assert "Beacon &amp; Co" in words.html
