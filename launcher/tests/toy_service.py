"""Stands in for a Tenon process: answers /readyz on its operations port until SIGTERM."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

FAILURE = "toy failure"
"""The log level with which a toy ends at once."""


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(package: str) -> None:
    settings = f"TENON_{package.removeprefix('tenon_').upper()}_"
    print(*(name for name in os.environ if name.startswith("TENON_")), flush=True)
    if os.environ.get(f"{settings}LOG_LEVEL") == FAILURE:
        sys.exit(FAILURE)
    port = int(os.environ[f"{settings}OPERATIONS_LISTEN"].rpartition(":")[2])
    HTTPServer(("127.0.0.1", port), Ready).serve_forever()
