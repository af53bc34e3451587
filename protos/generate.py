"""Makes the Python stubs beside the protos, and one descriptor set with their comments.

Runs as a build hook at each install, and by hand after a proto was edited:
`python protos/generate.py`.
"""

import sys
import sysconfig
from importlib.resources import files
from pathlib import Path

from google.api import annotations_pb2
from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent


def generate() -> None:
    """Write `*_pb2.py`, `*_pb2_grpc.py`, their `.pyi` and `tenon/descriptors.binpb`."""
    for stale in (ROOT / "tenon").rglob("*_pb2*.py*"):
        stale.unlink()
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tenon").rglob("*.proto"))
    well_known = str(files("grpc_tools") / "_proto")
    annotations = str(Path(annotations_pb2.__file__).parents[2])
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT}",
            f"--proto_path={well_known}",
            f"--proto_path={annotations}",
            f"--python_out={ROOT}",
            f"--grpc_python_out={ROOT}",
            f"--plugin=protoc-gen-mypy={_plugin('protoc-gen-mypy')}",
            f"--plugin=protoc-gen-mypy_grpc={_plugin('protoc-gen-mypy_grpc')}",
            f"--mypy_out=quiet:{ROOT}",
            f"--mypy_grpc_out=quiet:{ROOT}",
            f"--descriptor_set_out={ROOT / 'tenon' / 'descriptors.binpb'}",
            "--include_imports",
            "--include_source_info",
            *sources,
        ]
    )
    if status != 0:
        sys.exit(f"protoc failed with status {status}; its messages are above")


def _plugin(name: str) -> Path:
    """Return a plugin of the interpreter that runs this, whatever is on the path."""
    return Path(sysconfig.get_path("scripts")) / name


class StubsBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's hook: every build starts with fresh stubs."""

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        generate()


if __name__ == "__main__":
    generate()
