"""How many values a JSON text holds, told from its bytes before anything is made of them."""

PIECE_BYTES = 256 * 1024
QUOTES = 4
"""Around a member's name and its value, if that is a string."""
SEPARATORS = (b",", b"[", b"{")


def holds_more_values(text: bytes, limit: int) -> bool:
    """Say whether a JSON text holds more than `limit` values.

    Each value but the first follows a comma or opens a list or an object. Counting all of these
    bytes takes a millisecond for a mebibyte; only where strings may hold some of them, they are
    counted outside strings.
    """
    return _separators(text) > limit and _counted_outside_strings(text, limit) > limit


def _separators(text: bytes) -> int:
    return sum(map(text.count, SEPARATORS))


def _counted_outside_strings(text: bytes, limit: int) -> int:
    """Count, until there are more than `limit`, piece by piece: each is a short call into C."""
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > QUOTES * limit:
        return limit + 1
    count = 0
    in_string = False
    for start in range(0, len(text), PIECE_BYTES):
        parts = text[start : start + PIECE_BYTES].split(b'"')
        count += _separators(b" ".join(parts[in_string::2]))
        in_string ^= len(parts) % 2 == 0
        if count > limit:
            break
    return count
