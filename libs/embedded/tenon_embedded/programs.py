from importlib.util import find_spec
from pathlib import Path

from tenon_embedded.errors import EmbeddedError


def find_program(package: str, pattern: str) -> Path:
    """A program that an installed package brings along; the package itself is not imported."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedError(f"{package} is not installed: pip install {package}")
    program = next(Path(found.origin).parent.glob(pattern), None)
    if program is None:
        raise EmbeddedError(f"{package} has no {pattern} for this kind of machine")
    return program
