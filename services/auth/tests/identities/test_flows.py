"""A log-in by a provider ends in the browser that began it, once, and where it was to end."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from services.auth.tests.identities.hostile_provider import Hostile, asked
from services.auth.tests.identities.visitor import NAME, OTHER, Visitor
from tenon.auth.v1.identity_service_pb2 import ListProvidersRequest
from tenon_auth.app import APP, worker
from tenon_auth.identities.repository import SpentFlowRepository
from tenon_auth.identities.tasks import FORGET
from tenon_auth.providers import flows
from tenon_core.ids import uuid7
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually


async def test_providers_are_listed(visitor: Visitor) -> None:
    reply = await visitor.stub.ListProviders(ListProvidersRequest())
    assert [(one.name, one.title) for one in reply.items] == [(NAME, "Acme"), (OTHER, "Other")]


async def test_a_browser_is_led_to_the_provider_with_all_that_ties_the_answer_to_it(
    visitor: Visitor, hostile: Hostile
) -> None:
    begun = await visitor.start()
    said = asked(begun.url)
    assert begun.url.startswith(f"{hostile.issuer}/authorize?")
    assert said["audience"] == "tenon", "the endpoint's own query"
    assert (said["response_type"], said["code_challenge_method"]) == ("code", "S256")
    assert said["redirect_uri"].endswith(f"/api/auth/oidc/{NAME}/callback")
    others = asked((await visitor.start()).url)
    for name in ("state", "nonce", "code_challenge"):
        assert len(said[name]) >= 43
        assert said[name] != others[name]
    assert len({said["state"], said["nonce"], said["code_challenge"]}) == 3


async def test_an_unknown_provider_is_told(visitor: Visitor) -> None:
    with pytest.raises(PeerError) as refused:
        await visitor.start(provider="nobody")
    assert refused.value.reason == "provider_not_found"


async def test_it_ends_once(visitor: Visitor, hostile: Hostile) -> None:
    """Neither the state nor the code is taken again, and the code is not even sent."""
    begun = await visitor.start()
    code = hostile.code(begun.url)
    assert await visitor.told(begun, code) == ""
    assert await visitor.told(begun, code) == "flow_spent"
    assert await visitor.told(begun, hostile.code(begun.url)) == "flow_spent"
    assert hostile.exchanged == [code]


async def test_control_without_its_mark_a_flow_is_finished_again(
    visitor: Visitor, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_new(*_: object) -> bool:
        return True

    monkeypatch.setattr(SpentFlowRepository, "add", is_new)
    begun = await visitor.start()
    for _ in range(2):
        assert await visitor.told(begun, hostile.code(begun.url)) == ""


async def test_a_code_is_not_taken_twice(visitor: Visitor, hostile: Hostile) -> None:
    first, second = await visitor.start(), await visitor.start()
    code = hostile.code(first.url)
    assert await visitor.told(first, code) == ""
    assert await visitor.told(second, code) == "provider_refused"


async def test_log_in_csrf_an_attackers_answer_is_refused_in_another_browser(
    visitor: Visitor, hostile: Hostile
) -> None:
    """Else its owner would work in the attacker's account."""
    attackers, victims = await visitor.start(), await visitor.start()
    code = hostile.code(attackers.url)
    for flow_token in ("", victims.flow_token):
        told = await visitor.told(attackers, code, flow_token=flow_token)
        assert told == "flow_spent"
    assert await visitor.told(victims, code, state=attackers.state) == "flow_spent"
    assert await visitor.told(attackers, code) == ""


async def test_an_injected_code_is_refused(visitor: Visitor, hostile: Hostile) -> None:
    """A stolen code in the thief's own flow: PKCE ties it to the browser that asked for it."""
    theirs, stolen = await visitor.start(), await visitor.start()
    code = hostile.code(stolen.url, nonce=asked(theirs.url)["nonce"])
    assert await visitor.told(theirs, code) == "provider_refused"


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token[:-4] + "AAAA",
        lambda token: "A" * len(token),
        lambda _: "é",
        lambda token: token + "A" * 10_000,
        lambda token: token[:43],
        lambda _: "",
    ],
)
async def test_a_forged_flow_is_refused(visitor: Visitor, hostile: Hostile, forge: Any) -> None:
    begun = await visitor.start()
    code = hostile.code(begun.url)
    told = await visitor.told(begun, code, flow_token=forge(begun.flow_token))
    assert told == "flow_spent"
    assert await visitor.told(begun, code) == ""


@pytest.mark.parametrize("state", ["", "x", "é", "\ud7ff"])
async def test_a_wrong_state_is_refused(visitor: Visitor, hostile: Hostile, state: str) -> None:
    begun = await visitor.start()
    code = hostile.code(begun.url)
    assert await visitor.told(begun, code, state=state) == "flow_spent"
    assert await visitor.told(begun, code) == ""


async def test_a_flow_that_took_too_long_is_refused(
    visitor: Visitor, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for life, told in ((timedelta(0), "flow_spent"), (timedelta(minutes=10), "")):
        monkeypatch.setattr(flows, "LIFE", life)
        begun = await visitor.start()
        assert await visitor.told(begun, hostile.code(begun.url)) == told


async def test_mix_up_an_answer_at_another_providers_path_is_refused(
    visitor: Visitor, providers: dict[str, Hostile], hostile: Hostile
) -> None:
    """The attacker's provider has the browser come back as from the honest one."""
    begun = await visitor.start(provider=OTHER)
    code = hostile.code(begun.url)
    assert await visitor.told(begun, code) == "flow_spent"
    assert hostile.exchanged == [], "the attacker gets no code"
    assert await visitor.told(begun, providers[OTHER].code(begun.url), provider=OTHER) == ""


async def test_mix_up_an_answer_that_names_another_issuer_is_refused(
    visitor: Visitor, providers: dict[str, Hostile], hostile: Hostile
) -> None:
    """RFC 9207."""
    for iss, told in ((providers[OTHER].issuer, "provider_refused"), (hostile.issuer, "")):
        begun = await visitor.start()
        assert await visitor.told(begun, hostile.code(begun.url), iss=iss) == told
    assert len(hostile.exchanged) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [("access_denied", "provider_denied"), ("server_error", "provider_refused"), ("", "")],
)
async def test_a_providers_refusal_is_told(
    visitor: Visitor, hostile: Hostile, error: str, told: str
) -> None:
    begun = await visitor.start()
    code = hostile.code(begun.url)
    assert await visitor.told(begun, code, error=error) == told
    assert hostile.exchanged == ([code] if not error else [])


async def test_an_answer_without_a_code_is_refused(visitor: Visitor) -> None:
    assert await visitor.told(await visitor.start(), "") == "provider_refused"


async def test_a_refusal_that_nobody_asked_for_ends_nothing(
    visitor: Visitor, hostile: Hostile
) -> None:
    begun = await visitor.start()
    assert await visitor.told(begun, "", error="access_denied", state="x") == "flow_spent"
    assert await visitor.told(begun, hostile.code(begun.url)) == ""


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "//evil.example/%2e%2e",
        "@evil.example",
        ".evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nset-cookie: a=b",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/\x00",
        "/\x7f",
        "/\u2028",
        "/é",
        "/\uff0f/evil.example",
        "/a\\b",
        "/" + "a" * 500,
        "evil.example",
        "?next=/",
        "#/",
    ],
)
async def test_open_redirect_nobody_is_led_to_another_site(visitor: Visitor, path: str) -> None:
    with pytest.raises(PeerError) as refused:
        await visitor.start(path)
    assert refused.value.reason == "invalid_return_to"
    assert [field.pointer for field in refused.value.fields] == ["/return_to"]


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a/b?c=d&e=%2F%2Fevil#f", "/@evil.example", "/%5Cevil.example", "/a//b", "/:80"],
)
async def test_any_path_of_this_site_is_returned_to(
    visitor: Visitor, hostile: Hostile, path: str
) -> None:
    begun = await visitor.start(path)
    reply = await visitor.finish(begun, hostile.code(begun.url))
    assert reply.return_to == (path or "/")


async def test_finished_flows_are_forgotten_once_nobody_could_finish_them(
    system: System, visitor: Visitor, hostile: Hostile
) -> None:
    begun = await visitor.start()
    assert await visitor.told(begun, hostile.code(begun.url)) == ""
    old, fresh = uuid7(), uuid7()
    with psycopg.connect(system.admin_url(), autocommit=True) as admin:
        admin.execute(
            "INSERT INTO auth.spent_flows VALUES (%s, now() - interval '1 second'),"
            " (%s, now() + interval '1 minute')",
            [old, fresh],
        )
        async with worker(system.settings(APP, process="auth-worker")) as work, work.running():
            admin.execute(
                "INSERT INTO auth.jobs (id, type, payload, lane, run_at, priority)"
                " VALUES (gen_random_uuid(), %s, '{}', 0, now(), 0)",
                [FORGET],
            )
            work.wake()

            async def is_forgotten() -> bool:
                kept = admin.execute("SELECT id FROM auth.spent_flows").fetchall()
                assert (fresh,) in kept
                return (old,) not in kept

            await eventually(is_forgotten)
    assert await visitor.told(begun, hostile.code(begun.url)) == "flow_spent"
