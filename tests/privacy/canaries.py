"""Texts that must turn up nowhere, and the search for them in whatever form."""

import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Haystack:
    """Something that is stored: the kind of place, what it is there, and its bytes."""

    place: str
    name: str
    content: bytes


@dataclass
class Canaries:
    """Makes texts with one mark in each, so that one search finds any of them, whole or in part."""

    mark: str = field(default_factory=lambda: f"canary{secrets.token_hex(8)}")
    made: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)

    def text(self, label: str) -> str:
        """Make one of its own; lower case, for addresses are compared in lower case."""
        return self._added(f"{label}{self.mark}{len(self.made)}")

    def email(self, label: str) -> str:
        number = len(self.made)
        return self._added(f"{label}{self.mark}{number}@{number}{self.mark}.example")

    def address(self, number: int) -> str:
        """Make a loopback address to come from; it has no mark, and is looked for by itself."""
        address = f"127.{93 + number % 7}.{number % 251 + 3}.{number // 251 % 251 + 4}"
        self.addresses.add(address)
        return address

    def secret(self, text: str) -> None:
        """Look for what the system has made, and must keep nowhere; it has no mark either."""
        self.secrets.add(text)

    def found_in(self, haystacks: Iterable[Haystack]) -> list[str]:
        """Say where any of them is, in which form."""
        needles = [needle for text in self._wanted() for needle in forms(text)]
        return [
            f"{haystack.place}: {haystack.name}: {form}"
            for haystack in haystacks
            for form in found(needles, haystack.content)
        ]

    def _wanted(self) -> tuple[str, ...]:
        return (self.mark, *self.addresses, *self.secrets)

    def _added(self, text: str) -> str:
        self.made.add(text)
        return text


@dataclass(frozen=True)
class Needle:
    form: str
    content: bytes
    any_case: bool


def forms(text: str) -> Iterator[Needle]:
    """Yield a text as it may be written: plain, UTF-16, hex, base64 at each of three alignments."""
    yield Needle("plain", text.encode(), any_case=True)
    yield Needle("utf-16", text.encode("utf-16-le"), any_case=True)
    yield Needle("hex", text.encode().hex().encode(), any_case=True)
    for before in range(3):
        padded = base64.b64encode(bytes(before) + text.encode())
        # The first and last characters also hold bits of what stands beside the text.
        first = -(-before * 8 // 6)
        inner = padded[first : (before + len(text)) * 8 // 6]
        yield Needle(f"base64+{before}", inner, any_case=False)
        yield Needle(f"base64url+{before}", inner.translate(URL_SAFE), any_case=False)


URL_SAFE = bytes.maketrans(b"+/", b"-_")


def found(needles: Iterable[Needle], content: bytes) -> list[str]:
    lower = content.lower()
    return [
        needle.form
        for needle in needles
        if needle.content in (lower if needle.any_case else content)
    ]
