"""Pairs of email addresses that are the same mailbox for Tenon, or are not.

`{}` stands for something unique, so that a test can use a pair on a system that others use too.
"""

from dataclasses import dataclass
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Pair:
    """Two addresses, and whether they are the same."""

    name: str
    first: str
    second: str
    same: bool

    def unique(self) -> tuple[str, str]:
        """Return both with the same unique text in their local parts."""
        text = uuid4().hex[:12]
        return self.first.format(text), self.second.format(text)

    def __str__(self) -> str:
        return self.name


SAME = [
    ("equal", "{}.ada@example.com", "{}.ada@example.com"),
    ("upper case local part", "{}.ada@example.com", "{}.ADA@example.com"),
    ("upper case domain", "{}.ada@example.com", "{}.ada@EXAMPLE.COM"),
    ("spaces around", "{}.ada@example.com", "  {}.ada@example.com\t"),
    ("upper case with an accent", "{}.rené@example.com", "{}.RENÉ@example.com"),
    ("composed and decomposed local part", "{}.ren\u00e9@example.com", "{}.rene\u0301@example.com"),
    ("composed and decomposed domain", "{}@b\u00fccher.example", "{}@bu\u0308cher.example"),
    ("upper case and decomposed", "{}.RENE\u0301@example.com", "{}.ren\u00e9@example.com"),
    ("punycode and Unicode", "{}@xn--bcher-kva.example", "{}@bücher.example"),
    ("upper case punycode", "{}@XN--BCHER-KVA.EXAMPLE", "{}@bücher.example"),
    ("upper case international domain", "{}@BÜCHER.example", "{}@bücher.example"),
    ("punycode of sharp s", "{}@xn--strae-oqa.example", "{}@straße.example"),
    ("capital sharp s in the local part", "{}.STRAẞE@example.com", "{}.straße@example.com"),
    ("punycode of final sigma", "{}@xn--uxachkp.example", "{}@νικος.example"),
    ("Kelvin sign in the local part", "{}.\u212a@example.com", "{}.k@example.com"),
    ("Kelvin sign in the domain", "{}@\u212aelvin.example", "{}@kelvin.example"),
    ("Angstrom sign", "{}.\u212bngstrom@example.com", "{}.\u00e5ngstrom@example.com"),
    ("Ohm sign", "{}.\u2126@example.com", "{}.\u03c9@example.com"),
    ("full-width domain", "{}@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com", "{}@example.com"),
    ("full-width dot in the domain", "{}@example\uff0ecom", "{}@example.com"),
    ("ideographic dot in the domain", "{}@example\u3002com", "{}@example.com"),
    ("ligature in the domain", "{}@\ufb01sh.example", "{}@fish.example"),
    ("long s in the domain", "{}@\u017fun.example", "{}@sun.example"),
    ("capital dotted i and its small form", "{}.\u0130@example.com", "{}.i\u0307@example.com"),
    ("Cyrillic upper case", "{}.ПОЧТА@example.com", "{}.почта@example.com"),
    ("upper case word that ends with sigma", "{}-ΝΙΚΟΣ@example.com", "{}-νικος@example.com"),
]
DIFFERENT = [
    ("sharp s and ss in the domain", "{}@straße.example", "{}@strasse.example"),
    ("sharp s and ss in the local part", "{}.straße@example.com", "{}.strasse@example.com"),
    ("ligature fi in the local part", "{}.\ufb01sh@example.com", "{}.fish@example.com"),
    ("ligature ffl in the local part", "{}.wa\ufb04e@example.com", "{}.waffle@example.com"),
    ("long s in the local part", "{}.\u017fam@example.com", "{}.sam@example.com"),
    ("final sigma in the local part", "{}-νικος@example.com", "{}-νικοσ@example.com"),
    ("final sigma in the domain", "{}@νικος.example", "{}@νικοσ.example"),
    ("upper case sigma in the domain, final", "{}@ΝΙΚΟΣ.example", "{}@νικος.example"),
    ("dotless i", "{}.\u0131@example.com", "{}.i@example.com"),
    ("capital dotted i", "{}.\u0130@example.com", "{}.i@example.com"),
    ("full-width local part", "{}.\uff41da@example.com", "{}.ada@example.com"),
    ("superscript in the local part", "{}.a\u00b2@example.com", "{}.a2@example.com"),
    ("micro sign and mu", "{}.\u00b5@example.com", "{}.\u03bc@example.com"),
    ("n preceded by an apostrophe", "{}.\u0149@example.com", "{}.\u02bcn@example.com"),
    ("accent and none", "{}.rené@example.com", "{}.rene@example.com"),
    ("accent in the domain", "{}@bücher.example", "{}@bucher.example"),
    ("umlaut and its transcription", "{}@bücher.example", "{}@buecher.example"),
    ("Cyrillic a", "{}.\u0430da@example.com", "{}.ada@example.com"),
    ("Cyrillic a in the domain", "{}@ex\u0430mple.com", "{}@example.com"),
    ("plus address", "{}+news@example.com", "{}@example.com"),
    ("two plus addresses", "{}+a@example.com", "{}+b@example.com"),
    ("dots in the local part", "{}.a.da@example.com", "{}.ada@example.com"),
    ("subdomain", "{}@mail.example.com", "{}@example.com"),
    ("iota subscript", "{}.\u1fb3@example.com", "{}.\u03b1\u03b9@example.com"),
    ("ligature of Armenian", "{}.\u0587@example.com", "{}.\u0565\u0582@example.com"),
]
PAIRS = [
    *(Pair(name, first, second, same=True) for name, first, second in SAME),
    *(Pair(name, first, second, same=False) for name, first, second in DIFFERENT),
]

DELIVERED = {
    "ada@straße.example": "ada@xn--strae-oqa.example",
    "ada@strasse.example": "ada@strasse.example",
    "ada@νικος.example": "ada@xn--uxachkp.example",
    "Ada@BÜCHER.example": "Ada@xn--bcher-kva.example",
    "ada@\ufb01sh.example": "ada@fish.example",
}
"""An address, and where its mail goes."""

INVALID = [
    "",
    "ada",
    "@example.com",
    "ada@",
    "ada@example",
    "ada@example.com.",
    "ada@.example.com",
    "ada..b@example.com",
    ".ada@example.com",
    "ada@exam ple.com",
    "ada@exa_mple.com",
    "ada@-example.com",
    "ada@xn--a.example",
    "ada@[127.0.0.1]",
    "Ada <ada@example.com>",
    '"ada b"@example.com',
    "a\u200dda@example.com",
    "a\u200cda@example.com",
    "ada@exa\u200dmple.com",
    "ada@exa\u00admple.com",
    "a\u202eda@example.com",
    "a\x00da@example.com",
    "ada\r\nBcc: b@example.com",
    "ada@exa\u2024mple.com",
    "ada\uff20example.com",
    "\ud800@example.com",
]
"""Text that is no address."""
