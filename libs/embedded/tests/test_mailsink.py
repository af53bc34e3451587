import mailbox
import smtplib
from email.message import EmailMessage
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
