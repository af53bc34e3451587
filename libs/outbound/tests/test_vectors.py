"""F3: nothing is connected to but the public internet, whatever somebody writes or a name says."""

import ipaddress
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tenon_embedded.certificates import CertificateAuthority
from tenon_outbound import addresses, sending
from tenon_outbound.errors import AddressForbidden, NotAnswered, OutboundError
from tenon_outbound.sending import MAX_BYTES, Outbound

PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e")
FORBIDDEN_4 = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1"),  # noqa: S104 # not to bind
    *(
        "127.0.0.1",
        "127.1.2.3",
        "127.255.255.254",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.0.1",
    ),
    *("169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
)
FORBIDDEN_6 = (
    *("::", "::1", "::7f00:1", "::ffff:0:7f00:1", "100::1", "64:ff9b:1::7f00:1", "2001::1"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1", "5f00::1", "4000::1"),
    *("fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1"),
    *("ff02::1", "ff05::2", "2606:2800:21f::5efe:127.0.0.1", "2606:2800:21f:0:200:5efe:7f00:1"),
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
)
WRAPPED = ("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1")


def within(inner: str) -> list[str]:
    """Write an IPv4 address as those of IPv6 that lead to it."""
    number = int(ipaddress.IPv4Address(inner))
    low, high = f"{number & 0xFFFF:x}", f"{number >> 16:x}"
    return [f"::ffff:{inner}", f"64:ff9b::{inner}", f"2002:{high}:{low}::1", f"::{inner}"]


def spellings(inner: str) -> list[str]:
    """Write an IPv4 address as some programs read it."""
    a, b, c, d = (int(part) for part in inner.split("."))
    number = int(ipaddress.IPv4Address(inner))
    return [
        *(str(number), hex(number), f"0{number:o}", f"{a}.{b << 16 | c << 8 | d}"),
        *(f"{a}.{b}.{c << 8 | d}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
    ]


ADDRESSES = [*FORBIDDEN_4, *FORBIDDEN_6, *(one for inner in WRAPPED for one in within(inner))]
NUMBERS = [one for inner in WRAPPED for one in spellings(inner)]
URLS = [
    *("http://example.com/", "http://127.0.0.1/", "ftp://example.com/", "file:///etc/passwd"),
    *("gopher://127.0.0.1/", "data:text/plain,x", "//127.0.0.1/", "https://", "https:///x", ""),
    *("https://user@example.com/", "https://a:b@127.0.0.1/", "https://example.com@127.0.0.1/"),
    *("https://127.0.0.1#@example.com/", "https://example.com/#x", "https://127.0.0.1\\@a.com/"),
    *("https://①②⑦.⓪.⓪.①/", "https://localhost。/", "https://exa\nmple.com/", "https://a b/"),
    *("https://[::1", "https://[::1]x/", "https://[fe80::1%25eth0]/", "https://127.0.0.1:99999/"),
    *("https://127.0.0.1:0/", "https://127%2e0%2e0%2e1/", "https://0/", "https://127.0.0.1./"),
    *("https://%31%32%37.0.0.1/", "HTTPS://127.0.0.1/", "https://[::ffff:7f00:1]:443/", "x" * 3000),
]


@dataclass
class Network:
    """What names resolve to, and what was connected to."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int, *_: Any) -> list[tuple[Any, ...]]:
        """Answer with the next of a name's answers; else as the system does, without a server."""
        if host not in self.answers:
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        answers = self.answers[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            info
            for address in answer
            for info in socket.getaddrinfo(
                address, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
            )
        ]

    @property
    def forbidden(self) -> list[str]:
        return [one for one in self.connected if not addresses.is_public(one)]


WATCHED: list[Network] = []


def _watch(event: str, details: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(details[1], tuple):
        for network in WATCHED:
            network.connected.append(details[1][0])


sys.addaudithook(_watch)


@pytest.fixture
def network() -> Iterator[Network]:
    watched = Network()
    WATCHED.append(watched)
    yield watched
    WATCHED.remove(watched)


@pytest.fixture
async def receiver() -> AsyncIterator[int]:
    """A server on loopback: it redirects, talks without an end, or says the host that it has."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if to := request.query.get("to"):
            raise web.HTTPTemporaryRedirect(to)
        if "endless" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(bytes(4096))
            return response
        return web.Response(text=request.headers["host"])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    yield int(runner.addresses[0][1])
    await runner.cleanup()


async def send(outbound: Outbound, url: str, seconds: float = 2.0) -> sending.Reply:
    return await outbound.send("POST", url, headers={}, body=b"x", seconds=seconds)


def host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def test_no_vector_connects_to_what_is_forbidden(network: Network) -> None:
    """Addresses as such, in other spellings, as answers for a name; and URLs with tricks."""
    outbound = Outbound(resolve=network.resolve)
    vectors = [*(f"https://{host(one)}/" for one in [*ADDRESSES, *NUMBERS]), *URLS]
    for number, address in enumerate([*ADDRESSES, *NUMBERS]):
        network.answers[f"name-{number}.example"] = [[address]]
        vectors.append(f"https://name-{number}.example/")
    assert len(set(vectors)) >= 150
    taken = []
    for url in vectors:
        with suppress(OutboundError):
            await send(outbound, url)
            taken.append(url)
    assert taken == []
    assert network.connected == []


async def test_what_is_public_would_be_connected_to(network: Network) -> None:
    """A control: it is not that nothing is ever tried."""
    outbound = Outbound(resolve=network.resolve)
    network.answers["public.example"] = [list(PUBLIC[:1])]
    for name in ("public.example", *map(host, PUBLIC)):
        with pytest.raises(NotAnswered):
            await send(outbound, f"https://{name}/", seconds=0.1)
    assert PUBLIC[0] in network.connected
    assert network.forbidden == []


async def test_without_the_judgement_loopback_is_reached(
    network: Network, receiver: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the guard: the vectors are ones that would get through."""
    monkeypatch.setattr(sending, "is_public", lambda _: True)
    network.answers["name.example"] = [["127.0.0.1"]]
    with pytest.raises(NotAnswered):  # it speaks no TLS
        await send(Outbound(resolve=network.resolve), f"https://name.example:{receiver}/")
    assert network.forbidden == ["127.0.0.1"]


async def test_a_name_that_changes_its_mind_is_not_followed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: each answer is judged, all of its addresses, and no other is connected to."""
    outbound = Outbound(resolve=network.resolve)
    network.answers["rebinds.example"] = [[PUBLIC[0]], ["127.0.0.1"]]
    network.answers["both.example"] = [[PUBLIC[0], "127.0.0.1"]]
    with pytest.raises(NotAnswered):
        await send(outbound, "https://rebinds.example/", seconds=0.1)
    for name in ("rebinds.example", "both.example"):
        with pytest.raises(AddressForbidden):
            await send(outbound, f"https://{name}/")
    assert network.forbidden == []
    monkeypatch.setattr(sending.Gate, "resolve", _unjudged)  # the last guard alone
    with pytest.raises(AddressForbidden):
        await send(outbound, "https://rebinds.example/")
    assert network.forbidden == []


async def _unjudged(gate: sending.Gate, name: str, port: int = 0, **_: Any) -> list[Any]:
    ((family, _, proto, _, address),) = gate._resolve(name, port)
    found = {"hostname": name, "host": address[0], "port": port, "family": family}
    return [{**found, "proto": proto, "flags": 0}]


@pytest.mark.parametrize("to", ["http://127.0.0.1:{other}/", "https://10.0.0.1/", "/elsewhere"])
async def test_redirects_are_not_followed(network: Network, receiver: int, to: str) -> None:
    outbound = Outbound([f"127.0.0.1:{receiver}"], resolve=network.resolve)
    target = to.format(other=receiver + 1)
    reply = await send(outbound, f"http://127.0.0.1:{receiver}/?to={target}")
    assert reply.status == 307
    assert network.connected == ["127.0.0.1"]


async def test_only_the_exact_host_and_port_are_allowed(network: Network, receiver: int) -> None:
    network.answers["localhost"] = [["127.0.0.1"]]
    outbound = Outbound([f"localhost:{receiver}"], resolve=network.resolve)
    reply = await send(outbound, f"http://localhost:{receiver}/")
    assert reply.body == f"localhost:{receiver}".encode()
    for other in (f"127.0.0.1:{receiver}", f"localhost:{receiver + 1}", f"[::1]:{receiver}"):
        with pytest.raises(OutboundError):
            await send(outbound, f"http://{other}/")
    assert network.connected == ["127.0.0.1"]


async def test_a_reply_is_bounded_in_bytes_and_time(receiver: int) -> None:
    outbound = Outbound([f"127.0.0.1:{receiver}"])
    reply = await send(outbound, f"http://127.0.0.1:{receiver}/?endless")
    assert len(reply.body) == MAX_BYTES
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(NotAnswered, match="within"):
            await send(Outbound([f"127.0.0.1:{port}"]), f"http://127.0.0.1:{port}/", seconds=0.2)


async def test_the_checked_address_is_spoken_to_by_the_right_name(
    network: Network, tmp_path: Path
) -> None:
    """TLS asks for the host's certificate, and HTTP for the host, whatever address it has."""
    authority = CertificateAuthority(tmp_path / "ca")
    certificate = authority.issue("receiver")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.cert, certificate.key)
    asked: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked.append(name)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["host"])

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server).start()
    port = runner.addresses[0][1]
    network.answers = {"receiver": [["127.0.0.1"]], "other": [["127.0.0.1"]]}
    outbound = Outbound(
        [f"receiver:{port}", f"other:{port}"],
        resolve=network.resolve,
        tls=ssl.create_default_context(cafile=certificate.ca),
    )
    headers: dict[str, str] = {}
    try:
        reply = await outbound.send(
            "GET", f"https://receiver:{port}/", headers=headers, body=b"", seconds=2
        )
        with pytest.raises(NotAnswered):
            await outbound.send(
                "GET", f"https://other:{port}/", headers=headers, body=b"", seconds=2
            )
    finally:
        await runner.cleanup()
    assert (reply.status, reply.body) == (200, f"receiver:{port}".encode())
    assert asked == ["receiver", "other"]
