import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenon_launcher import ports
from tenon_launcher.errors import UnusablePort
from tenon_launcher.ports import check_port, free_neighbour, holder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_names_its_holder_and_another_port(taken: int) -> None:
    with pytest.raises(UnusablePort, match=rf"taken by .*\(process {os.getpid()}\).*--port \d+"):
        check_port(taken)


def test_the_other_port_is_free(taken: int) -> None:
    check_port(free_neighbour(taken))


def test_a_port_that_a_browser_would_find_by_ipv6_is_taken() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        pytest.raises(UnusablePort, match="is taken"),
    ):
        check_port(server.getsockname()[1])


def test_another_tenon_is_named_by_its_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Gateway:
        pid = 1

        def cmdline(self) -> list[str]:
            return ["python", "-m", "tenon_gateway", "serve"]

        def cwd(self) -> str:
            return str(tmp_path)

    monkeypatch.setattr(ports, "listener", lambda _: Gateway())
    assert f"./tenon down --data-dir {tmp_path}" in holder(8000)


def test_a_port_for_root_alone_is_a_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "refusal", lambda _: 13)
    with pytest.raises(UnusablePort, match="Port 80 is for root alone"):
        check_port(80)
