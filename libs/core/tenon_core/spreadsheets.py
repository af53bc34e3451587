"""Text that a spreadsheet would take for a formula when it opens a CSV file.

Such text gets an apostrophe in front, which spreadsheets take for "this is text". Numbers are
never touched, not even those that stand in a text column. OWASP, "CSV injection".
"""

import re

# The last four are the full-width forms of + - = @.
FIRST_CHARACTERS = "\t\n\r+-=@\uff0b\uff0d\uff1d\uff20"
NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)*$"
GUARD = "'"


def guarded(text: str) -> str:
    """Return the text so that no spreadsheet runs it."""
    if text[:1] and text[0] in FIRST_CHARACTERS and not re.fullmatch(NUMBER, text, re.ASCII):
        return GUARD + text
    return text
