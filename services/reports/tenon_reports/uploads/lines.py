"""Cuts pushed bytes at the ends of lines: at LF, CR LF or CR."""

MAX_LINE_BYTES = 1024 * 1024
KEPT_BYTES = 4_096
BOM = b"\xef\xbb\xbf"


class LineCutter:
    """Holds back the line that is not complete yet.

    Of a line over 1 MiB only the beginning is kept, without its quotes; `first_is_cut` tells
    that the first line of what was returned last is such a one. Blocks are at most 1 MiB.
    """

    def __init__(self) -> None:
        self.first_is_cut = False
        self._rest = b""
        self._began = False
        self._skipping = False

    def push(self, block: bytes) -> bytes:
        """Return the lines that are complete by now."""
        if not self._began:
            block, self._rest = self._rest + block, b""
            if block != BOM and BOM.startswith(block):  # more of it may follow
                self._rest = block
                return b""
            block = block.removeprefix(BOM)
            self._began = True
        if self._skipping:
            block = block[_first_end(block) :]
        data = self._rest + block
        end = _last_end(data)
        if end:
            lines, self._rest = data[:end], data[end:]
            return self._checked(lines)
        self._rest = data
        if len(data) > MAX_LINE_BYTES:
            self._rest = _beginning(data)
            self._skipping = True
        self.first_is_cut = False
        return b""

    def end(self) -> bytes:
        """Return the last line, if it has no end."""
        last, self._rest = self._rest, b""
        return self._checked(last)

    def _checked(self, lines: bytes) -> bytes:
        first = _first_end(lines)
        self.first_is_cut = self._skipping or first > MAX_LINE_BYTES
        self._skipping = False
        return _beginning(lines[:first]) + lines[first:] if self.first_is_cut else lines


def _beginning(line: bytes) -> bytes:
    return line[:KEPT_BYTES].replace(b'"', b"'").decode(errors="ignore").encode()


def _first_end(data: bytes) -> int:
    """Return where the first line's end stands, or the length."""
    found = [place for place in (data.find(b"\n"), data.find(b"\r")) if place >= 0]
    return min(found, default=len(data))


def _last_end(data: bytes) -> int:
    """Return the length of the complete lines; a last CR may be half of CR LF."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
