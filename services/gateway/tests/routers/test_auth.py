"""Log-in, cookies and the session, through HTTP with the real services."""

from typing import Any
from uuid import uuid4

import psycopg
from prometheus_client import REGISTRY

from services.gateway.tests.browsing import Gateway, bearer, problem, set_cookies
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.sessions import AGE


def somebody() -> dict[str, str]:
    return {"email": f"{uuid4()}@example.com", "password": PASSWORD, "name": "Ada"}


async def sign_up(gateway: Gateway) -> tuple[dict[str, str], dict[str, Any], str]:
    """Return who signed up, the reply, and the Cookie header to go on with."""
    person = somebody()
    response = await gateway.client.post("/api/auth/signup", json=person)
    assert response.status == 201
    cookies = set_cookies(response)
    header = "; ".join(f"{name}={cookie.value}" for name, cookie in cookies.items())
    return person, await response.json(), header


async def test_sign_up_logs_in(gateway: Gateway) -> None:
    person, reply, cookie = await sign_up(gateway)
    assert set(reply) == {"user", "session"}
    assert reply["user"]["email"] == person["email"]
    response = await gateway.client.get("/api/auth/session", headers={"cookie": cookie})
    assert response.status == 200
    assert await response.json() == {**reply, "orgs": []}


async def test_cookies_are_for_this_port_and_no_script(gateway: Gateway) -> None:
    response = await gateway.client.post("/api/auth/signup", json=somebody())
    cookies = set_cookies(response)
    names = ("access", "refresh", "device")
    assert set(cookies) == {f"tenon_{name}_{gateway.port}" for name in names}
    for cookie in cookies.values():
        assert (cookie["path"], cookie["samesite"]) == ("/", "Lax")
        assert cookie["httponly"]
        assert not cookie["secure"]
        assert not cookie["domain"]
        assert int(cookie["max-age"]) > 0


async def test_a_taken_address_is_told(gateway: Gateway) -> None:
    person, _, _ = await sign_up(gateway)
    response = await gateway.client.post("/api/auth/signup", json=person)
    assert (response.status, (await problem(response))["code"]) == (409, "email_taken")
    assert not set_cookies(response)


async def test_log_in_gives_the_same_user(gateway: Gateway) -> None:
    person, signed_up, _ = await sign_up(gateway)
    credentials = {"email": person["email"], "password": person["password"]}
    response = await gateway.client.post("/api/auth/login", json=credentials)
    assert response.status == 200
    assert (await response.json())["user"] == signed_up["user"]
    assert len(set_cookies(response)) == 3


async def test_a_login_link_is_asked_for_and_taken(gateway: Gateway) -> None:
    path = "/api/auth/login/link"
    asked = await gateway.client.post(path, json={"email": f"{uuid4()}@example.com"})
    assert asked.status == 202
    refused = await gateway.client.post(f"{path}/confirm", json={"token": "x"})
    assert (refused.status, (await problem(refused))["code"]) == (409, "link_spent")


async def test_a_wrong_password_is_refused(gateway: Gateway) -> None:
    person, _, _ = await sign_up(gateway)
    credentials = {"email": person["email"], "password": "another one"}
    response = await gateway.client.post("/api/auth/login", json=credentials)
    assert (response.status, (await problem(response))["code"]) == (401, "invalid_credentials")


async def test_clients_do_not_say_which_device_they_are(gateway: Gateway) -> None:
    body = {**somebody(), "device": {"ip_address": "192.0.2.1"}}
    response = await gateway.client.post("/api/auth/signup", json=body)
    assert response.status == 422
    assert (await problem(response))["errors"][0]["pointer"] == "/device"


async def test_refresh_gives_new_cookies(
    gateway: Gateway, callers: Callers, admin: psycopg.AsyncConnection
) -> None:
    caller = await callers.user()
    await admin.execute(AGE, {"id": caller.session_id, "seconds": 60})
    headers = gateway.cookies(caller)
    response = await gateway.client.post("/api/auth/refresh", headers=headers)
    assert response.status == 200
    assert set(await response.json()) == {"user", "session"}
    cookies = set_cookies(response)
    assert cookies[f"tenon_refresh_{gateway.port}"].value not in headers["cookie"]


async def test_a_refresh_token_that_stays_is_not_set_again(
    gateway: Gateway, callers: Callers
) -> None:
    """A late reply would put it in place of a newer one."""
    headers = gateway.cookies(await callers.user())
    response = await gateway.client.post("/api/auth/refresh", headers=headers)
    assert response.status == 200
    assert set(set_cookies(response)) == {f"tenon_access_{gateway.port}"}


async def test_refresh_without_a_cookie_is_refused(gateway: Gateway) -> None:
    response = await gateway.client.post("/api/auth/refresh")
    assert (response.status, (await problem(response))["code"]) == (401, "unauthenticated")


async def test_a_refused_refresh_leaves_the_cookies_of_a_newer_log_in(gateway: Gateway) -> None:
    """The refusal may arrive after a log-in in another tab."""
    for headers in (
        {"cookie": f"tenon_refresh_{gateway.port}=x", "sec-fetch-site": "same-origin"},
        {},
    ):
        response = await gateway.client.post("/api/auth/refresh", headers=headers)
        assert response.status == 401
        assert set_cookies(response) == {}


async def test_log_out_ends_the_session_at_once(gateway: Gateway, callers: Callers) -> None:
    headers = gateway.cookies(await callers.user())
    assert (await gateway.client.get("/api/auth/session", headers=headers)).status == 200
    response = await gateway.client.post("/api/auth/logout", headers=headers)
    assert response.status == 204
    assert [cookie["max-age"] for cookie in set_cookies(response).values()] == ["0", "0"]
    response = await gateway.client.get("/api/auth/session", headers=headers)
    assert (response.status, (await problem(response))["code"]) == (401, "session_ended")


async def test_log_out_by_an_access_token_alone(gateway: Gateway, callers: Callers) -> None:
    headers = bearer(await callers.user())
    assert (await gateway.client.post("/api/auth/logout", headers=headers)).status == 204
    response = await gateway.client.get("/api/auth/session", headers=headers)
    assert (response.status, (await problem(response))["code"]) == (401, "session_ended")


async def test_log_out_by_a_bad_access_token_is_refused(gateway: Gateway) -> None:
    headers = {"authorization": "Bearer x"}
    response = await gateway.client.post("/api/auth/logout", headers=headers)
    assert (response.status, (await problem(response))["code"]) == (401, "invalid_token")


async def test_a_log_out_that_fails_clears_the_cookies_all_the_same(gateway: Gateway) -> None:
    headers = {"cookie": f"tenon_access_{gateway.port}=x", "sec-fetch-site": "same-origin"}
    response = await gateway.client.post("/api/auth/logout", headers=headers)
    assert response.status == 401
    assert [cookie["max-age"] for cookie in set_cookies(response).values()] == ["0", "0"]


async def test_a_device_is_known_again_by_its_cookie(gateway: Gateway) -> None:
    person, _, cookie = await sign_up(gateway)
    name = f"tenon_device_{gateway.port}"
    (device,) = (pair for pair in cookie.split("; ") if pair.startswith(f"{name}="))
    credentials = {"email": person["email"], "password": person["password"]}
    headers = {"cookie": device}
    response = await gateway.client.post("/api/auth/login", json=credentials, headers=headers)
    assert f"{name}={set_cookies(response)[name].value}" == device


async def test_a_password_is_changed(gateway: Gateway, callers: Callers) -> None:
    headers = gateway.cookies(await callers.user())
    change = {"current_password": PASSWORD, "new_password": "another horse and battery"}
    path = "/api/auth/password/change"
    assert (await gateway.client.post(path, json=change, headers=headers)).status == 204
    refused = await gateway.client.post(path, json=change, headers=headers)
    assert (refused.status, (await problem(refused))["code"]) == (403, "wrong_password")


async def test_sessions_are_listed_and_revoked(gateway: Gateway, callers: Callers) -> None:
    headers = gateway.cookies(await callers.user())
    listed = await (await gateway.client.get("/api/auth/sessions", headers=headers)).json()
    (session,) = listed["items"]
    assert session["current"]
    path = f"/api/auth/sessions/{session['id']}"
    assert (await gateway.client.delete("/api/auth/sessions", headers=headers)).status == 204
    assert (await gateway.client.delete(path, headers=headers)).status == 204
    assert (await gateway.client.get("/api/auth/sessions", headers=headers)).status == 401


async def test_log_out_may_be_repeated(gateway: Gateway, callers: Callers) -> None:
    headers = gateway.cookies(await callers.user())
    for _ in range(2):
        assert (await gateway.client.post("/api/auth/logout", headers=headers)).status == 204
    assert (await gateway.client.post("/api/auth/logout")).status == 204


async def test_the_session_shows_a_new_organization_at_once(
    gateway: Gateway, callers: Callers
) -> None:
    headers = gateway.cookies(await callers.user())
    before = await (await gateway.client.get("/api/auth/session", headers=headers)).json()
    assert before["orgs"] == []
    made = await gateway.client.post("/api/orgs", json={"name": "Acme"}, headers=headers)
    organization = await made.json()
    assert made.status == 201
    after = await (await gateway.client.get("/api/auth/session", headers=headers)).json()
    fields = ("id", "slug", "name", "role")
    assert after["orgs"] == [{name: organization[name] for name in fields}]


async def test_the_session_is_answered_from_memory(gateway: Gateway, callers: Callers) -> None:
    headers = gateway.cookies(await callers.user())
    first = await gateway.client.get("/api/auth/session", headers=headers)
    hits = _hits()
    second = await gateway.client.get("/api/auth/session", headers=headers)
    assert _hits() == hits + 1
    assert await second.read() == await first.read()


async def test_a_kept_session_is_nobody_elses(gateway: Gateway, callers: Callers) -> None:
    emails = set()
    for caller in (await callers.user(), await callers.user()):
        for _ in range(2):
            headers = gateway.cookies(caller)
            response = await gateway.client.get("/api/auth/session", headers=headers)
            emails.add((caller.email, (await response.json())["user"]["email"]))
    assert len(emails) == 2
    assert all(asked == answered for asked, answered in emails)


def _hits() -> float:
    value = REGISTRY.get_sample_value("tenon_gateway_cache_lookups_total", {"result": "hit"})
    return value or 0.0
