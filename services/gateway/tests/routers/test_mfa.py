"""Second factors through HTTP: cookies as by any log-in, once all that is wanted is proved."""

from typing import Any

from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import WRONG, code_of
from services.gateway.tests.browsing import Gateway, problem, set_cookies
from services.gateway.tests.routers.test_auth import sign_up
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


class Browser:
    """Keeps cookies, and sends them from our own pages."""

    def __init__(self, gateway: Gateway, cookie: str = "") -> None:
        self._gateway = gateway
        self.cookies = dict(pair.split("=", 1) for pair in cookie.split("; ") if pair)

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status, and the body or the problem's code."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookie, "sec-fetch-site": "same-origin"}
        response = await self._gateway.client.request(method, path, json=body, headers=headers)
        for name, morsel in set_cookies(response).items():
            self.cookies[name] = morsel.value
        if response.status >= 400:
            return response.status, (await problem(response))["code"]
        return response.status, await response.json() if await response.read() else None

    def names(self) -> set[str]:
        """Return the cookies that it has, without the port in their names."""
        return {name.split("_")[1] for name, value in self.cookies.items() if value}


async def enrolled(gateway: Gateway) -> tuple[Browser, dict[str, str], str, list[str]]:
    """Return somebody's browser, what they log in with, their secret and recovery codes."""
    person, _, cookie = await sign_up(gateway)
    browser = Browser(gateway, cookie)
    _, started = await browser.send("POST", "/api/auth/mfa/totp", {})
    code = {"code": code_of(started["secret"])}
    status, confirmed = await browser.send("POST", "/api/auth/mfa/totp:confirm", code)
    assert status == 200
    credentials = {"email": person["email"], "password": PASSWORD}
    return browser, credentials, started["secret"], confirmed["recovery_codes"]


async def test_a_log_in_that_wants_a_second_factor_has_no_session(gateway: Gateway) -> None:
    _, credentials, _, _ = await enrolled(gateway)
    browser = Browser(gateway)
    status, step = await browser.send("POST", "/api/auth/login", credentials)
    assert (status, set(step)) == (200, {"mfa_required", "mfa_token", "mfa_methods"})
    assert (step["mfa_required"], step["mfa_methods"]) == (True, ["totp", "recovery_code"])
    assert browser.names() == {"device"}
    assert await browser.send("GET", "/api/auth/session") == (401, "unauthenticated")


async def test_a_log_in_without_one_has_its_shape_as_before(gateway: Gateway) -> None:
    person, _, _ = await sign_up(gateway)
    credentials = {"email": person["email"], "password": PASSWORD}
    _, reply = await Browser(gateway).send("POST", "/api/auth/login", credentials)
    assert set(reply) == {"user", "session"}


async def test_the_second_factor_sets_the_cookies(gateway: Gateway) -> None:
    _, credentials, secret, _ = await enrolled(gateway)
    browser = Browser(gateway)
    _, step = await browser.send("POST", "/api/auth/login", credentials)
    body = {"mfa_token": step["mfa_token"], "code": WRONG}
    assert await browser.send("POST", "/api/auth/login/mfa", body) == (403, "invalid_code")
    assert browser.names() == {"device"}
    body["code"] = code_of(secret, 1)
    status, reply = await browser.send("POST", "/api/auth/login/mfa", body)
    assert (status, set(reply)) == (200, {"user", "session"})
    assert browser.names() == {"access", "refresh", "device"}
    assert (await browser.send("GET", "/api/auth/session"))[1]["session"] == reply["session"]
    assert await browser.send("POST", "/api/auth/login/mfa", body) == (409, "mfa_token_spent")


async def test_another_browser_does_not_finish_it(gateway: Gateway) -> None:
    _, credentials, secret, _ = await enrolled(gateway)
    _, step = await Browser(gateway).send("POST", "/api/auth/login", credentials)
    body = {"mfa_token": step["mfa_token"], "code": code_of(secret, 1)}
    told = await Browser(gateway).send("POST", "/api/auth/login/mfa", body)
    assert told == (409, "mfa_token_spent")


async def test_only_one_proof_may_be_given_and_no_device(gateway: Gateway) -> None:
    browser = Browser(gateway)
    for body in (
        {"mfa_token": "x", "code": "1", "recovery_code": "2"},
        {"mfa_token": "x", "code": "1", "device": {"token": "x"}},
        {"mfa_token": "x", "passkey": "no object"},
    ):
        told = await browser.send("POST", "/api/auth/login/mfa", body)
        assert told == (422, "invalid_argument")


async def test_a_passkey_is_registered_used_and_removed(gateway: Gateway, system: System) -> None:
    """The test system's passkeys are bound to the public URL that auth was told."""
    person, _, cookie = await sign_up(gateway)
    browser, credentials = Browser(gateway, cookie), {"email": person["email"]}
    _, started = await browser.send("POST", "/api/auth/mfa/passkeys:start", {})
    key = Authenticator(f"http://{started['options']['rp']['id']}")
    assert await browser.send(
        "POST", "/api/auth/mfa/passkeys", {"passkey": key.make(started["options"]), "name": "Key"}
    ) == (403, "invalid_passkey")
    key = Authenticator(system.url)
    made = {"passkey": key.make(started["options"]), "name": "Key"}
    status, added = await browser.send("POST", "/api/auth/mfa/passkeys", made)
    assert (status, added["passkey"]["name"], len(added["recovery_codes"])) == (201, "Key", 10)
    path = f"/api/auth/mfa/passkeys/{added['passkey']['id']}"
    _, renamed = await browser.send("PATCH", path, {"name": "Yubikey"})
    assert renamed["name"] == "Yubikey"

    other = Browser(gateway)
    _, step = await other.send("POST", "/api/auth/login", {**credentials, "password": PASSWORD})
    token = {"mfa_token": step["mfa_token"]}
    _, asked = await other.send("POST", "/api/auth/login/mfa:start", token)
    answer = {**token, "passkey": key.sign(asked["options"])}
    assert (await other.send("POST", "/api/auth/login/mfa", answer))[0] == 200

    alone = Browser(gateway)
    _, asked = await alone.send("POST", "/api/auth/login/passkey:start", {})
    answer = {"passkey": key.sign(asked["options"])}
    status, reply = await alone.send("POST", "/api/auth/login/passkey", answer)
    assert (status, reply["user"]["email"]) == (200, person["email"])
    assert alone.names() == {"access", "refresh", "device"}

    _, listed = await browser.send("GET", "/api/auth/mfa")
    assert [(item["kind"], item["name"]) for item in listed["items"]] == [("passkey", "Yubikey")]
    assert (await browser.send("DELETE", path))[0] == 204
    _, listed = await browser.send("GET", "/api/auth/mfa")
    assert listed == {"items": [], "recovery_codes_left": 0}


async def test_a_confirmation_renews_the_access_cookie_alone(gateway: Gateway) -> None:
    browser, _, secret, _ = await enrolled(gateway)
    before = dict(browser.cookies)
    told = await browser.send("POST", "/api/auth/session:confirm", {"password": PASSWORD})
    assert told == (403, "second_factor_required")
    body = {"code": code_of(secret, 1)}
    status, reply = await browser.send("POST", "/api/auth/session:confirm", body)
    assert (status, set(reply)) == (200, {"user", "session"})
    changed = {name for name, value in browser.cookies.items() if before[name] != value}
    assert changed == {f"tenon_access_{gateway.port}"}
    _, shown = await browser.send("GET", "/api/auth/session")
    assert shown["session"]["auth_time"] == reply["session"]["auth_time"]
