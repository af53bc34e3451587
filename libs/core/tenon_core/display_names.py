"""Names that people give to themselves and their things: which text is one, everywhere alike.

Such a name is shown to other people and mailed to strangers, so it must not carry a message of its
own: no links, and no characters that hide or reorder text.
"""

import re
import unicodedata

from tenon_core.errors import FieldError, InvalidArgument

MAX_CHARS = 100
HIDDEN_CATEGORIES = {
    "Cc": "control characters",
    "Cf": "invisible or direction-changing characters",
    "Zl": "line breaks",
    "Zp": "line breaks",
    "Cs": "characters that Unicode does not define",
    "Co": "characters that Unicode does not define",
    "Cn": "characters that Unicode does not define",
}
BLANK_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that show nothing although Unicode calls them letters, marks or symbols."""
DOTS = str.maketrans({"\u3002": ".", "\uff61": "."})
"""What browsers take for dots besides those that NFKC replaces."""
URL = re.compile(
    r"://"  # any scheme
    r"|\bwww\."
    r"|\b(?:mailto|javascript|tel):\S"
    r"|[^\W_]\.[^\W\d_]{2,}(?::\d+)?[/?#]\S",  # a domain with a path, as in evil.example/login
    re.IGNORECASE,
)


def display_name(text: str, field: str = "name") -> str:
    """Return a name as it is stored; InvalidArgument names this field of the request."""
    name = normal_name(text)
    if problem := name_problem(name):
        raise InvalidArgument(fields=[FieldError(f"/{field}", problem)])
    return name


def normal_name(text: str) -> str:
    """Return a name in NFC, with plain spaces and none around it."""
    if len(text) > 2 * MAX_CHARS:  # is refused, and normalizing may take quadratic time
        return text
    spaced = (" " if unicodedata.category(letter) == "Zs" else letter for letter in text)
    return unicodedata.normalize("NFC", "".join(spaced).strip())


def name_problem(name: str, max_chars: int = MAX_CHARS) -> str:
    """Return what is wrong with a name, and what to do; empty for a valid one."""
    if not name:
        return f"must have 1 to {max_chars} characters"
    return text_problem(name, max_chars)


def text_problem(text: str, max_chars: int) -> str:
    """Return what is wrong with text that may be empty, as `name_problem` does."""
    if len(text) > max_chars:
        return f"must have at most {max_chars} characters"
    for letter in text:
        if hidden := HIDDEN_CATEGORIES.get(unicodedata.category(letter)):
            return f"must not contain {hidden} (U+{ord(letter):04X}); remove them"
    if blank := BLANK_LETTERS.search(text):
        return f"must not contain invisible characters (U+{ord(blank[0]):04X}); remove them"
    if has_url(text):
        return "must not contain a web address; use a plain name"
    return ""


def has_url(text: str) -> bool:
    """Return whether mail programs and browsers would make a link of some of this text."""
    return URL.search(unicodedata.normalize("NFKC", text).translate(DOTS)) is not None


def is_display_name(name: str) -> bool:
    return not name_problem(normal_name(name))
