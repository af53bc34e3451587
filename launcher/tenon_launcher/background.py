"""`up --detach`: a launcher in a session of its own, followed until it is ready."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.state import RunState


def start_in_background(options: Sequence[str], data: DataDirectory) -> int:
    """Run `up` with the options in the background, and pass on what it says until it is ready.

    0 if it is, else its exit code. An interrupt stops it again.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tenon_launcher", "up", "--background", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
    )
    assert process.stdout is not None, "a pipe was asked for"
    with process.stdout as output:
        relay(output.fileno(), process)
    state = RunState.load(data.state)
    if state is not None and state.supervisor_pid == process.pid and state.phase == "ready":
        process.returncode = 0  # it is left to itself
        return 0
    return process.wait() or 1


def relay(output: int, process: subprocess.Popen[bytes]) -> None:
    """Copy to the standard output until the other end closes it."""
    while True:
        try:
            piece = os.read(output, 4096)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            continue
        if not piece:
            return
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def let_go(log: Path) -> None:
    """In the background, once ready: say the rest to the log, so that who followed may leave."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
