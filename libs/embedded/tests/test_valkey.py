import socket
from pathlib import Path

from tenon_embedded.valkey import MAX_BYTES, ValkeyServer


def ask(server: ValkeyServer, *lines: str) -> list[str]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "QUIT")).encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().split("\r\n")


def test_refuses_who_has_no_password(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        assert ask(server, "GET name")[0].startswith("-NOAUTH")


def test_keeps_what_was_written_over_a_restart(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        ask(server, f"AUTH {server.password}", "SET name tenon")
    with ValkeyServer(tmp_path) as server:
        assert "tenon" in ask(server, f"AUTH {server.password}", "GET name")


def test_evicts_nothing(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        answer = ask(server, f"AUTH {server.password}", "CONFIG GET maxmemory-policy")
        assert "noeviction" in answer


def test_memory_is_bounded(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        auth = f"AUTH {server.password}"
        assert str(MAX_BYTES) in ask(server, auth, "CONFIG GET maxmemory")
        ask(server, auth, "CONFIG SET maxmemory 1")
        assert "-OOM" in " ".join(ask(server, auth, "SET name tenon"))


def test_works_in_a_directory_with_spaces_and_quotes(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / 'a "quoted" name') as server:
        assert server.is_ready()
