"""HTTP requests that are made once, over connections as thin as can be: on two cores it must not be
the client that is measured.
"""

import asyncio
import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length:"
NUMBER = "00000000"


class Connection(asyncio.Protocol):
    """A kept-alive connection with one request at a time; counts bytes to know its reply's end."""

    def __init__(self) -> None:
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(HEAD_END)
        if head_end < 0:
            return
        head = bytes(self._received[:head_end])
        if len(self._received) < head_end + len(HEAD_END) + _content_length(head):
            return
        self._received.clear()
        self.replied(head)

    @abstractmethod
    def replied(self, head: bytes) -> None:
        """Take a reply that is whole."""


def status_of(head: bytes) -> str:
    return head[9:12].decode()


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.find(CONTENT_LENGTH)
    if start < 0:
        return 0
    return int(lowered[start + len(CONTENT_LENGTH) :].split(b"\r\n", 1)[0])


def requests(url: str, headers: Mapping[str, str], bodies: Sequence[str]) -> Iterator[bytes]:
    """Yield what to send, without end: the bodies in turn. NUMBER in one is another number each
    time.
    """
    made = [_request(url, headers, body) for body in bodies or [""]]
    number = NUMBER.encode()
    if not any(number in request for request in made):
        return itertools.cycle(made)
    return (
        request.replace(number, b"%08d" % count)
        for count, request in enumerate(itertools.cycle(made))
    )


def _request(url: str, headers: Mapping[str, str], body: str) -> bytes:
    address = urlsplit(url)
    target = address.path + (f"?{address.query}" if address.query else "")
    headers = {"Host": address.netloc, **headers}
    if body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    method = "POST" if body else "GET"
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "", ""]) + body).encode()
