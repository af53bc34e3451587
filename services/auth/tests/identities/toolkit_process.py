"""The provider of `toolkit.py` beside a test, and the people who have accounts there."""

import json
import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenon_embedded.command import Command
from tenon_embedded.ports import free_port
from tenon_embedded.server import Server, inherited_environment

PROGRAM = Path(__file__).with_name("toolkit.py")
NAME = "toolkit"
CLIENT_ID = "tenon"
CLIENT_SECRET = "a secret: of a test/+%"  # with what must be encoded on its way
PEOPLE = 20


@dataclass(frozen=True)
class Member:
    """Somebody with an account at the provider."""

    username: str
    password: str
    email: str
    first_name: str


class Toolkit(Server):
    name = NAME

    def __init__(self, directory: Path, redirect_uri: str) -> None:
        super().__init__(directory, free_port())
        self._redirect_uri = redirect_uri
        self._people = [_member(number) for number in range(PEOPLE)]

    @property
    def settings(self) -> dict[str, Any]:
        """What an operator sets of it."""
        return {
            "name": NAME,
            "title": "The Toolkit",
            "issuer": f"http://127.0.0.1:{self.port}/o",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }

    def member(self, *, verified: bool = True) -> Member:
        """Return somebody whom nobody had before."""
        found = next(one for one in self._people if is_verified(one) is verified)
        self._people.remove(found)
        return found

    def prepare(self) -> None:
        self.directory.mkdir(parents=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.directory / "key.pem").write_bytes(pem)
        said = {
            "people": [vars(member) for member in self._people],
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": self._redirect_uri,
        }
        (self.directory / "provider.json").write_text(json.dumps(said))

    def command(self) -> Command:
        arguments = (sys.executable, str(PROGRAM), str(self.directory), str(self.port))
        return Command(arguments, inherited_environment())

    def is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/o/.well-known/openid-configuration")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def is_verified(member: Member) -> bool:
    return not member.email.startswith("unverified")


def _member(number: int) -> Member:
    prefix = "" if number % 5 else "unverified-"
    return Member(f"member{number}", "of a test", f"{prefix}{uuid4()}@example.com", "Grace")
