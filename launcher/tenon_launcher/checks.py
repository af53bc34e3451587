"""`tenon check`: everything CI asks of the code but its tests."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from tenon_launcher.errors import LauncherError


@dataclass(frozen=True)
class Step:
    """A command that must succeed; `environment` is added to ours."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def run_checks(root: Path) -> None:
    """Run all, also after one failed. Raises LauncherError that names those."""
    failed = [step.name for step in steps(root) if not succeeds(step, root)]
    if failed:
        raise LauncherError(f"failed: {', '.join(failed)}")


def steps(root: Path) -> Iterator[Step]:
    module = (sys.executable, "-m")
    yield Step("ruff check", (*module, "ruff", "check"))
    yield Step("ruff format", (*module, "ruff", "format", "--check"))
    packages = {"MYPYPATH": os.pathsep.join(package_folders(root))}
    yield Step("mypy", (*module, "mypy", *folders(root, "tenon_*")), packages)
    # Tests are named by their path from the root; to them the packages are installed ones.
    yield Step("mypy of tests", (*module, "mypy", *folders(root, "tests")))
    # Its cache goes by the importing file alone, and misses that what it imports was made since.
    imports = (str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    yield Step("lint-imports", imports)
    yield Step("routes", (*module, "tenon_launcher", "routes", "--check"))


def package_folders(root: Path) -> list[str]:
    """Where the packages are, as the editable install has it."""
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    return list(build["dev-mode-dirs"])


def folders(root: Path, name: str) -> list[str]:
    """Those of that name that hold Python code, relative to the root."""
    found = [path for depth in ("", "*/", "*/*/") for path in root.glob(depth + name)]
    return sorted(str(path.relative_to(root)) for path in found if any(path.rglob("*.py")))


def succeeds(step: Step, root: Path) -> bool:
    click.echo(f"== {step.name}")
    environment = {**os.environ, **step.environment}
    return subprocess.run(step.command, cwd=root, env=environment, check=False).returncode == 0
