"""Log-in by a provider of other people's making, as browsers go: redirects, forms and cookies."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from aiohttp import ClientSession, CookieJar

from services.auth.tests.identities.toolkit_process import NAME, Toolkit
from services.auth.tests.second_factors.enrolled import code_of
from services.gateway.tests.browser import Browser
from services.gateway.tests.browsing import Gateway, Serve, problem, set_cookies
from tenon_embedded.ports import free_port
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.service_process import ServiceProcess
from tenon_testing.system import System

START = f"/api/auth/oidc/{NAME}/start"
CALLBACK = f"/api/auth/oidc/{NAME}/callback"


@dataclass(frozen=True)
class Site:
    gateway: Gateway
    toolkit: Toolkit
    peers: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:  # of an IP address
            yield Browser(session, self.url)


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Toolkit, int]]:
    """The provider, and the port of the gateway that it leads back to."""
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}{CALLBACK}"
    with Toolkit(tmp_path_factory.mktemp("provider") / "toolkit", redirect_uri) as provider:
        yield provider, port


@pytest.fixture(scope="module")
async def site(
    system: System,
    callers: Callers,  # noqa: ARG001 # auth and tenancy run by then
    serve: Serve,
    toolkit: tuple[Toolkit, int],
) -> AsyncIterator[Site]:
    """A gateway, and an auth, that know the provider."""
    provider, port = toolkit
    public_url = f"http://127.0.0.1:{port}"
    chosen = json.dumps([provider.settings])
    auth = system.replica("auth", public_url=public_url, oidc_providers=chosen)
    peers = peers_with(system, auth)
    async with serve(port=port, peers=peers) as gateway:
        yield Site(gateway, provider, peers)
    auth.stop()


def peers_with(system: System, auth: ServiceProcess) -> dict[str, str]:
    """Return where services are, with this auth among them."""
    usual = json.loads(system.values("gateway")["peers"])
    return {**usual, "auth": f"127.0.0.1:{auth.listen_port}"}


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with site.browser() as opened:
        yield opened


async def test_the_providers_are_listed(browser: Browser) -> None:
    response = await browser.get("/api/auth/oidc")
    items = [{"name": NAME, "title": "The Toolkit"}]
    assert await response.json() == {"items": items, "next_page_token": ""}


async def test_who_is_new_is_logged_in_with_an_account(site: Site, browser: Browser) -> None:
    member = site.toolkit.member()
    response = await browser.log_in(member, return_to="/reports?of=today#top")
    assert (response.status, response.headers["location"]) == (302, "/reports?of=today#top")
    session = await (await browser.get("/api/auth/session")).json()
    assert (session["user"]["email"], session["user"]["name"]) == (member.email, "Grace")
    assert session["user"]["email_verified"]
    assert session["session"]["methods"] == ["fed"]
    assert (await browser.post("/api/auth/refresh")).status == 200
    identities = await (await browser.get("/api/auth/identities")).json()
    assert [one["email"] for one in identities["items"]] == [member.email]


async def test_who_comes_again_is_the_same(site: Site) -> None:
    member, users = site.toolkit.member(), set()
    for _ in range(2):
        async with site.browser() as browser:
            await browser.log_in(member)
            session = await (await browser.get("/api/auth/session")).json()
            users.add(session["user"]["id"])
    assert len(users) == 1


async def test_who_has_a_second_factor_is_asked_for_it(site: Site, browser: Browser) -> None:
    member = site.toolkit.member()
    await browser.log_in(member)
    secret = (await (await browser.post("/api/auth/mfa/totp", json={})).json())["secret"]
    confirmed = await browser.post("/api/auth/mfa/totp:confirm", json={"code": code_of(secret)})
    assert confirmed.status == 200
    async with site.browser() as other:
        response = await other.log_in(member, return_to="/reports")
        page, _, fragment = response.headers["location"].partition("#")
        asked = {name: values[0] for name, values in parse_qs(fragment).items()}
        assert (page, asked["return_to"]) == ("/login/mfa", "/reports")
        assert set(asked["mfa_methods"].split(",")) == {"totp", "recovery_code"}
        assert (await other.get("/api/auth/session")).status == 401
        proof = {"mfa_token": asked["mfa_token"], "code": code_of(secret, 1)}
        finished = await other.post("/api/auth/login/mfa", json=proof)
        assert finished.status == 200
        session = (await (await other.get("/api/auth/session")).json())["session"]
        assert set(session["methods"]) == {"fed", "otp", "mfa"}


async def test_cookies_are_those_of_a_log_in_and_that_of_the_way_is_gone(
    site: Site, browser: Browser
) -> None:
    port, member = site.gateway.port, site.toolkit.member()
    started = await browser.get(START)
    (name,), (flow,) = zip(*set_cookies(started).items(), strict=True)
    assert name.startswith(f"tenon_oidc_{port}_")
    assert (flow["path"], flow["samesite"], flow["httponly"]) == ("/", "Lax", True)
    assert 0 < int(flow["max-age"]) <= 600
    finished = await browser.get(await browser.visit_provider(started.headers["location"], member))
    cookies = set_cookies(finished)
    names = ("access", "refresh", "device")
    assert set(cookies) == {*(f"tenon_{name}_{port}" for name in names), name}
    assert cookies[name]["max-age"] == "0"
    assert finished.headers["location"] == "/"
    assert finished.headers["cache-control"] == "no-store"


async def test_over_https_the_cookie_is_this_hosts_alone(serve: Serve, site: Site) -> None:
    async with serve(public_url="https://tenon.example", peers=site.peers) as gateway:
        response = await gateway.client.get(START, allow_redirects=False)
    ((name, cookie),) = set_cookies(response).items()
    assert name.startswith("__Host-tenon_oidc_")
    assert cookie["secure"]
    assert not cookie["domain"]


async def test_the_callback_is_good_for_one_browser_once(site: Site, browser: Browser) -> None:
    member = site.toolkit.member()
    started = await browser.get(START)
    callback = await browser.visit_provider(started.headers["location"], member)
    async with site.browser() as other:
        for of_another_log_in in (False, True):
            if of_another_log_in:
                await other.get(START)
            refused = await other.get(callback)
            assert refused.headers["location"] == "/login?error=flow_spent"
            assert (await other.get("/api/auth/session")).status == 401
    assert (await browser.get(callback)).headers["location"] == "/"
    assert (await browser.get(callback)).headers["location"] == "/login?error=flow_spent"


async def test_log_ins_of_two_tabs_both_succeed(site: Site, browser: Browser) -> None:
    """Whatever else comes back in between."""
    starts = [await browser.get(START) for _ in range(2)]
    for started in starts:
        junk = await browser.get(f"{CALLBACK}?state=junk&code=junk")
        assert set_cookies(junk) == {}
        callback = await browser.visit_provider(started.headers["location"], site.toolkit.member())
        assert (await browser.get(callback)).headers["location"] == "/"


async def test_a_browser_keeps_five_log_ins_that_were_begun(site: Site, browser: Browser) -> None:
    for _ in range(7):
        await browser.get(START)
    names = [cookie.key for cookie in browser.session.cookie_jar]
    assert len([name for name in names if name.startswith("tenon_oidc_")]) == 5
    last = await browser.get(START)
    member = site.toolkit.member()
    callback = await browser.visit_provider(last.headers["location"], member)
    assert (await browser.get(callback)).headers["location"] == "/"


async def test_who_does_not_agree_is_told(site: Site, browser: Browser) -> None:
    member = site.toolkit.member()
    started = await browser.get(START)
    callback = await browser.visit_provider(started.headers["location"], member, agree=False)
    assert parse_qs(urlsplit(callback).query)["error"] == ["access_denied"]
    refused = await browser.get(callback)
    assert (refused.status, refused.headers["location"]) == (302, "/login?error=provider_denied")
    (cookie,) = set_cookies(refused).values()
    assert cookie["max-age"] == "0"


async def test_whom_the_provider_does_not_vouch_for_is_told(site: Site, browser: Browser) -> None:
    refused = await browser.log_in(site.toolkit.member(verified=False))
    assert refused.headers["location"] == "/login?error=provider_email_unverified"


async def test_pre_account_takeover_as_a_browser_sees_it(site: Site, browser: Browser) -> None:
    member = site.toolkit.member()
    account = {"email": member.email, "password": PASSWORD, "name": "Mallory"}
    assert (await site.gateway.client.post("/api/auth/signup", json=account)).status == 201
    refused = await browser.log_in(member)
    assert refused.headers["location"] == "/login?error=account_unverified"
    assert (await browser.get("/api/auth/session")).status == 401


async def test_a_person_connects_and_disconnects(
    site: Site, browser: Browser, admin: psycopg.AsyncConnection, callers: Callers
) -> None:
    member, caller = site.toolkit.member(verified=False), await callers.user()
    await admin.execute(
        "UPDATE auth.users SET email_verified = true WHERE id = %s", [caller.user_id]
    )
    account = {"email": caller.email, "password": PASSWORD}
    assert (await browser.post("/api/auth/login", json=account)).status == 200
    begun = await browser.post(f"/api/auth/oidc/{NAME}/connect", json={"return_to": "/settings"})
    assert set(await begun.json()) == {"url"}
    callback = await browser.visit_provider((await begun.json())["url"], member)
    assert (await browser.get(callback)).headers["location"] == "/settings"
    async with site.browser() as other:
        assert (await other.log_in(member)).headers["location"] == "/"
        session = await (await other.get("/api/auth/session")).json()
    assert session["user"]["id"] == str(caller.user_id)
    (identity,) = (await (await browser.get("/api/auth/identities")).json())["items"]
    assert (await browser.delete(f"/api/auth/identities/{identity['id']}")).status == 204


async def test_a_foreign_page_connects_nobody(
    site: Site, callers: Callers, browser: Browser
) -> None:
    """A page that could would tie its owner's account at a provider to a visitor's here."""
    headers = site.gateway.cookies(await callers.user()) | {"sec-fetch-site": "cross-site"}
    path = f"/api/auth/oidc/{NAME}/connect"
    refused = await site.gateway.client.post(path, json={}, headers=headers)
    assert (await problem(refused))["code"] == "csrf_refused"
    assert (await browser.get(path)).status == 405
    linking = await browser.get(START, params={"link": "true"})
    assert (linking.status, (await problem(linking))["code"]) == (422, "invalid_argument")


async def test_what_is_wrong_with_a_start_is_a_problem(browser: Browser) -> None:
    for path, status, code in (
        ("/api/auth/oidc/nobody/start", 404, "provider_not_found"),
        (f"{START}?return_to=//evil.example", 422, "invalid_return_to"),
    ):
        response = await browser.get(path)
        assert (response.status, (await problem(response))["code"]) == (status, code)


@pytest.mark.parametrize(
    "query",
    ["", "state=a", "state=a&state=a", "code=%00&state=%ff", "error=access_denied", "iss=x&a=b"],
)
async def test_a_callback_that_nobody_began_is_led_to_the_log_in(
    browser: Browser, query: str
) -> None:
    response = await browser.get(f"{CALLBACK}?{query}")
    assert (response.status, response.headers["location"]) == (302, "/login?error=flow_spent")


async def test_a_provider_that_is_away_is_told_to_the_person(
    system: System, serve: Serve, site: Site
) -> None:
    away = {**site.toolkit.settings, "issuer": f"http://127.0.0.1:{free_port()}"}
    auth = system.replica("auth", oidc_providers=json.dumps([away]))
    async with serve(peers=peers_with(system, auth)) as gateway:
        response = await gateway.client.get(START, allow_redirects=False)
    assert response.status == 302
    assert response.headers["location"] == "/login?error=provider_unavailable"
    auth.stop()
