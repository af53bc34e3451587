import errno
import secrets
import socket
import threading

# Below the ranges from which Linux and macOS take the ports of outgoing connections, so that a
# server that is started again finds its port free.
RANGE = range(10240, 32768)

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A TCP port of the loopback address that is free now; each call gives another one."""
    with _lock:
        while (port := secrets.choice(RANGE)) in _given or not is_free(port):
            pass
        _given.add(port)
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on the port on loopback."""
    return refusal(port) is None


def refusal(port: int) -> int | None:
    """The error number with which the system refuses the port on loopback; None if it does not.

    Of IPv6 too, where there is any: a browser that is told `localhost` may try that first.
    """
    refused = bind_error(socket.AF_INET, "127.0.0.1", port)
    if refused is None and socket.has_ipv6:
        refused = bind_error(socket.AF_INET6, "::1", port)
    return refused if refused in (errno.EADDRINUSE, errno.EACCES) else None


def bind_error(family: socket.AddressFamily, host: str, port: int) -> int | None:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno
    return None


def is_listening(port: int, timeout: float = 1.0) -> bool:
    """Whether a connection to the port on loopback is accepted within `timeout` seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout):
            return True
    except OSError:
        return False
