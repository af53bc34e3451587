"""What a browser is told of its session, and what it tells of itself."""

from typing import Any

from fastapi import Response

from tenon_gateway.clients.auth import Device, SecondStep, SignedIn
from tenon_gateway.cookies import CookieNames
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.transcoding.encoders import to_json
from tenon_gateway.transcoding.manual import JSON


class Browsers:
    """Turns tokens into cookies, and cookies and headers into the device of a log-in."""

    def __init__(self, cookies: CookieNames) -> None:
        self._cookies = cookies

    def welcome(self, exchange: Exchange, signed_in: SignedIn, status: int) -> Response:
        """Answer with user and session, and keep the tokens in cookies."""
        self.keep(exchange, signed_in)
        return json_response({"user": signed_in.user, "session": signed_in.session}, status)

    def keep(self, exchange: Exchange, signed_in: SignedIn) -> None:
        cookies, notes = self._cookies, exchange.notes
        notes.append(cookies.keep(cookies.access, signed_in.access_token, signed_in.access_expires))
        if signed_in.refresh_token:
            expires = signed_in.refresh_expires
            notes.append(cookies.keep(cookies.refresh, signed_in.refresh_token, expires))
        if signed_in.device_token:
            notes.append(cookies.keep_device(signed_in.device_token))

    def ask(self, exchange: Exchange, step: SecondStep) -> Response:
        """Answer that a second factor is wanted, on this device."""
        self.keep_device(exchange, step)
        return json_response(step.told)

    def keep_device(self, exchange: Exchange, step: SecondStep) -> None:
        """Let the browser be known again, to which the second step is bound."""
        exchange.notes.append(self._cookies.keep_device(step.device_token))

    def device(self, exchange: Exchange) -> Device:
        token = exchange.cookies.get(self._cookies.device, "")
        return Device(exchange.address, exchange.header(b"user-agent"), token)


def json_response(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status, media_type=JSON)
