import mailbox
import smtplib
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8, default
from pathlib import Path

from tenon_embedded.mailsink import MailSink


def test_keeps_a_message_in_the_maildir(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@tenon.test", "b@tenon.test", "Grüße"
    message.set_content("Hello.")
    with MailSink(tmp_path) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            client.send_message(message)
        kept = list(mailbox.Maildir(sink.maildir))
    assert [mail["To"] for mail in kept] == ["b@tenon.test"]


def test_keeps_a_message_to_an_address_outside_ascii(tmp_path: Path) -> None:
    message = EmailMessage(policy=SMTPUTF8)
    message["From"], message["To"], message["Subject"] = (
        "a@tenon.test",
        "ren\u00e9@example.com",
        "Gr\u00fc\u00dfe",
    )
    message.set_content("Hello Ren\u00e9.")
    with MailSink(tmp_path) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            client.send_message(message)
        box = mailbox.Maildir(sink.maildir)
        (content,) = [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118 # it iterates messages
    kept = BytesParser(policy=default).parsebytes(content)
    assert (kept["To"], kept["X-RcptTo"]) == ("ren\u00e9@example.com", "ren\u00e9@example.com")
    assert kept["Subject"] == "Gr\u00fc\u00dfe"
