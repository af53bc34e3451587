"""From a template and facts to a message that can be sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tenon_core.display_names import is_display_name
from tenon_notifications.clients import Person
from tenon_notifications.emails.models import Kind
from tenon_notifications.errors import Undeliverable

UNITS = ("bytes", "kB", "MB", "GB", "TB")
KILO = 1000
DOT_IN_WORD = re.compile(r"(?<=\w)\.(?=\w)")
WITHHELD = {
    "name": "",
    "organization_name": "an organization",
    "org_name": "an organization",
    "dataset_name": "a dataset",
    "actor_name": "A member",
    "key_name": "",
    "device": "",
}
"""What people and browsers call themselves and their things, and what stands for a bad name."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


class Renderer:
    """Fills `templates/<kind>.subject`, `.txt` and `.html`; a fact that is missing is an error."""

    def __init__(self, public_url: str, product_name: str) -> None:
        self._environment = Environment(
            loader=PackageLoader("tenon_notifications.emails"),
            autoescape=select_autoescape(["html"]),
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters |= {"count": count, "size": size, "day": day, "moment": moment}
        self._environment.globals |= {"public_url": public_url, "product_name": product_name}

    def render(self, kind: Kind, facts: Mapping[str, Any]) -> Rendered:
        """Facts that are text are put on one line: nobody's name adds a header or a paragraph.

        Names that people chose add no link either.
        """
        safe = {
            name: one_line(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
        }
        for name in WITHHELD.keys() & safe.keys():
            safe[name] = shown_name(safe[name], WITHHELD[name])
        unlinked = safe | {
            name: without_links(safe[name]) for name in WITHHELD.keys() & safe.keys()
        }
        subject = self._environment.get_template(f"{kind}.subject").render(safe)
        text, html = (
            self._environment.get_template(f"{kind}.{part}").render(unlinked)
            for part in ("txt", "html")
        )
        return Rendered(one_line(subject), text, html)


class _Headers(HeaderRegistry):
    """Makes the class of each header once; making it anew for every mail is a third of the work."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        name = name.lower()
        if name not in self._known:
            self._known[name] = super().__getitem__(name)
        return self._known[name]


class Envelope:
    """Puts words into a message from our address."""

    def __init__(self, mail_from: str) -> None:
        name, address = parseaddr(mail_from)
        self._sender = Address(name, addr_spec=address)
        self._ascii = SMTP.clone(cte_type="7bit", header_factory=_Headers())
        self._utf8 = self._ascii.clone(utf8=True)

    @property
    def sender(self) -> str:
        return self._sender.addr_spec

    def message(self, email_id: UUID, to: Person, words: Rendered, date: datetime) -> EmailMessage:
        """Compose it. The Message-ID depends on the id alone, so that a repeat can be told."""
        message = EmailMessage(policy=self._ascii if to.email.isascii() else self._utf8)
        message["Message-ID"] = f"<{email_id}@{self._sender.domain}>"
        message["Date"] = format_datetime(date)
        message["From"] = self._sender
        message["To"] = _recipient(to)
        message["Subject"] = words.subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(words.text)
        message.add_alternative(words.html, subtype="html")
        return message


def _recipient(to: Person) -> Address:
    try:
        if to.email.isascii():
            return Address(one_line(to.name), addr_spec=to.email)
        local, _, domain = to.email.rpartition("@")
        return Address(one_line(to.name), local, domain)  # an `addr_spec` must be ASCII
    except (MessageError, ValueError, IndexError) as error:
        # Not `from error`, whose message has the address in it.
        raise Undeliverable(f"the address cannot be written: {type(error).__name__}") from None


def one_line(text: str) -> str:
    """Turn every run of white space and control characters into one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shown_name(name: str, instead: str) -> str:
    """Return a name, unless it was chosen before the rules for names and does not keep them."""
    return name if is_display_name(name) else instead


def without_links(name: str) -> str:
    """Part a name at dots, or mail programs make a link of `evil.example`."""
    return DOT_IN_WORD.sub(".\u200b", name)


def count(number: int) -> str:
    return f"{number:,}"


def size(number: float) -> str:
    """Write a number of bytes as people read it: 1.2 MB."""
    unit = 0
    while number >= KILO and unit < len(UNITS) - 1:
        number, unit = number / KILO, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"


def day(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def moment(time: datetime) -> str:
    """Write a time in UTC: 1 March 2026, 17:05 UTC."""
    return f"{day(time)}, {time:%H:%M} UTC"
