"""A browser that walks through a provider's pages, and comes back to the gateway."""

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from aiohttp import ClientResponse, ClientSession

from services.auth.tests.identities.toolkit_process import NAME, Member

MOVED = (301, 302, 303)


class Form(HTMLParser):
    """The fields of the only form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "input" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""


@dataclass
class Browser:
    """Keeps cookies, and is led where it is led: it stops before it comes back to the gateway."""

    session: ClientSession
    url: str
    """The gateway's."""

    async def get(self, path: str, **options: Any) -> ClientResponse:
        """Ask the gateway, and follow nothing."""
        return await self._ask("GET", urljoin(self.url, path), **options)

    async def post(self, path: str, **options: Any) -> ClientResponse:
        headers = {"sec-fetch-site": "same-origin"}
        return await self._ask("POST", urljoin(self.url, path), headers=headers, **options)

    async def delete(self, path: str) -> ClientResponse:
        headers = {"sec-fetch-site": "same-origin"}
        return await self._ask("DELETE", urljoin(self.url, path), headers=headers)

    async def visit_provider(self, url: str, member: Member, *, agree: bool = True) -> str:
        """Log in at the provider, agree to what it asks, or not; return where that leads."""
        page = await self._follow(await self._ask("GET", url))
        while not isinstance(page, str):
            form = Form(await page.text()).fields
            if "username" in form:
                form |= {"username": member.username, "password": member.password}
            elif not agree:
                form.pop("allow")
            headers = {"referer": str(page.url)}
            answer = await self._ask("POST", str(page.url), data=form, headers=headers)
            page = await self._follow(answer)
        return page

    async def log_in(self, member: Member, *, return_to: str = "") -> ClientResponse:
        """Go the whole way; return what the gateway answers in the end."""
        started = await self.get(
            f"/api/auth/oidc/{NAME}/start", params={"return_to": return_to} if return_to else None
        )
        assert started.status == 302
        return await self.get(await self.visit_provider(started.headers["location"], member))

    async def _follow(self, response: ClientResponse) -> ClientResponse | str:
        while response.status in MOVED:
            target = urljoin(str(response.url), response.headers["location"])
            if target.startswith(self.url):
                return target
            response = await self._ask("GET", target)
        assert response.status == 200, await response.text()
        return response

    async def _ask(self, method: str, url: str, **options: Any) -> ClientResponse:
        response = await self.session.request(method, url, allow_redirects=False, **options)
        await response.read()
        return response
