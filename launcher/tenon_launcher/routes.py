"""The generated documents of the API, and whether the committed ones are current."""

import json
from pathlib import Path

from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.document import compile_document
from tenon_gateway.transcoding.markdown import routes_markdown
from tenon_gateway.transcoding.routes import compile_routes
from tenon_launcher.error_catalogue import error_catalogue
from tenon_launcher.errors import LauncherError
from tenon_launcher.limit_table import limit_table


def documents() -> dict[str, str]:
    """The text of each file by its name."""
    routes = compile_routes(load_services())
    document = compile_document(routes, OPERATIONS)
    openapi = json.dumps(document, indent=2, ensure_ascii=False)
    return {
        "ROUTES.md": routes_markdown(routes, OPERATIONS),
        "openapi.json": f"{openapi}\n",
        "docs/errors.md": error_catalogue(),
        "docs/limits.md": limit_table(),
    }


def write_files(root: Path) -> None:
    for name, text in documents().items():
        (root / name).write_text(text)


def check_files(root: Path) -> None:
    """Raises LauncherError that names the files that are not current."""
    stale = [name for name, text in documents().items() if not is_current(root / name, text)]
    if stale:
        raise LauncherError(
            f"not current: {', '.join(stale)}. Write them anew with `./tenon routes --write`."
        )


def is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text
