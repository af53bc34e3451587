"""Copies of the protos with something taken out, and processes that start on them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tenon_testing.service_process import environment
from tenon_testing.system import System

PROTOS = Path(__file__).parents[2] / "protos"
BOOT = """
import runpy, sys
sys.path.insert(0, {protos!r})
sys.argv = ["tenon", "check"]
runpy.run_module({module!r}, run_name="__main__")
"""


def weakened_protos(folder: Path, proto: str, pattern: re.Pattern[str], replacement: str) -> Path:
    """Copy the protos into a folder, with the first match in one of them replaced."""
    copy = folder / "protos"
    shutil.copytree(PROTOS, copy, ignore=shutil.ignore_patterns("*_pb2*", "__pycache__"))
    weakened, replaced = pattern.subn(replacement, (copy / proto).read_text(), count=1)
    assert replaced == 1
    (copy / proto).write_text(weakened)
    subprocess.run([sys.executable, str(copy / "generate.py")], check=True)  # noqa: S603 # ours
    return copy


def check(system: System, protos: Path, service: str) -> "subprocess.CompletedProcess[str]":
    """Run `check` of a service, which does all that a start does but serving, on these protos."""
    boot = BOOT.format(protos=str(protos), module=f"tenon_{service}")
    return subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-c", boot],
        env=environment(service, system.values(service)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
