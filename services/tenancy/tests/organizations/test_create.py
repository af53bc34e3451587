import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.events_pb2 import OrganizationCreated
from tenon.tenancy.v1.organization_pb2 import Organization
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    GetOrganizationRequest,
    ListOrganizationsRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_OWNER
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers

Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


@pytest.fixture(scope="session")
async def caller(callers: Callers) -> Caller:
    return await callers.user()


async def create(
    tenancy: grpc.aio.Channel, caller: Caller, name: str, slug: str = ""
) -> Organization:
    request = CreateOrganizationRequest(name=name, slug=slug)
    reply = await OrganizationServiceStub(tenancy).CreateOrganization(
        request, metadata=caller.metadata
    )
    return reply.organization


async def wrong_fields(
    tenancy: grpc.aio.Channel, caller: Caller, name: str, slug: str = ""
) -> list[str]:
    with pytest.raises(PeerError) as refused:
        await create(tenancy, caller, name, slug)
    assert refused.value.reason == "invalid_argument"
    return [field.pointer for field in refused.value.fields]


async def test_makes_the_caller_its_owner(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    created = await create(tenancy, caller, "Acme")
    assert created.role == ROLE_OWNER
    request = GetOrganizationRequest(org_id=created.id)
    reply = await OrganizationServiceStub(tenancy).GetOrganization(
        request, metadata=caller.metadata
    )
    assert reply.organization == created


async def test_trims_the_name(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    assert (await create(tenancy, caller, "  Zoë & Sons\n")).name == "Zoë & Sons"


@pytest.mark.parametrize("name", ["", " \t ", "x" * 101, "a\0b", "a\nb", "a\x1bb", "a\x7fb"])
async def test_refuses_a_bad_name(tenancy: grpc.aio.Channel, caller: Caller, name: str) -> None:
    assert await wrong_fields(tenancy, caller, name) == ["/name"]


async def test_takes_a_name_of_100_characters(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    assert (await create(tenancy, caller, "ü" * 100)).name == "ü" * 100


@pytest.mark.parametrize(
    "slug", ["ab", "a" * 41, "-abc", "abc-", "Abc", "a_b", "a b", "añb", "abc\n", "---", "a\0b"]
)
async def test_refuses_a_bad_slug(tenancy: grpc.aio.Channel, caller: Caller, slug: str) -> None:
    assert await wrong_fields(tenancy, caller, "Acme", slug) == ["/slug"]


async def test_names_every_wrong_field(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    assert await wrong_fields(tenancy, caller, " ", "-") == ["/name", "/slug"]


async def test_keeps_the_slug_that_was_given(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    slug = uuid4().hex + "-a-b--c4"
    assert len(slug) == 40
    assert (await create(tenancy, caller, "Acme", slug)).slug == slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme {}, Inc.", "acme-{}-inc"),
        ("  {} -- Zoë's   Café / Bar ", "{}-zoes-cafe-bar"),
        ("{}_東京.io", "{}-io"),
        ("- {} -", "{}"),
    ],
)
async def test_makes_a_slug_from_the_name(
    tenancy: grpc.aio.Channel, caller: Caller, name: str, slug: str
) -> None:
    unique = uuid4().hex[:12]
    created = await create(tenancy, caller, name.format(unique))
    assert created.slug == slug.format(unique)


async def test_cuts_a_long_name_for_its_slug(tenancy: grpc.aio.Channel, caller: Caller) -> None:
    unique = uuid4().hex
    created = await create(tenancy, caller, f"{unique} abcdef ghijkl")
    assert created.slug == f"{unique}-abcdef"


@pytest.mark.parametrize(
    ("name", "pattern"), [("東京", "[a-z0-9]{6}"), ("A.", "a-[a-z0-9]{6}"), ("!", "[a-z0-9]{6}")]
)
async def test_adds_a_suffix_where_a_name_gives_too_little(
    tenancy: grpc.aio.Channel, caller: Caller, name: str, pattern: str
) -> None:
    assert re.fullmatch(pattern, (await create(tenancy, caller, name)).slug)


async def test_adds_a_suffix_where_the_name_is_taken(
    tenancy: grpc.aio.Channel, caller: Caller
) -> None:
    name = uuid4().hex + "-abcdefg"
    made = await asyncio.gather(*(create(tenancy, caller, name) for _ in range(20)))
    slugs = {organization.slug for organization in made}
    assert len(slugs) == 20
    assert name in slugs
    assert all(re.fullmatch(f"{name[:32]}-[a-z0-9]{{6}}", slug) for slug in slugs - {name})


async def test_of_50_that_want_the_same_slug_one_gets_it(
    tenancy: grpc.aio.Channel, caller: Caller
) -> None:
    slug = uuid4().hex
    outcomes = await asyncio.gather(
        *(create(tenancy, caller, "Acme", slug) for _ in range(50)), return_exceptions=True
    )
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
    assert refused == ["slug_taken"] * 49
    assert sum(isinstance(outcome, Organization) for outcome in outcomes) == 1


async def test_a_refused_one_leaves_nothing(
    tenancy: grpc.aio.Channel, caller: Caller, callers: Callers
) -> None:
    taken = (await create(tenancy, caller, "Acme")).slug
    late = await callers.user()
    with pytest.raises(PeerError):
        await create(tenancy, late, "Acme", taken)
    request = ListOrganizationsRequest()
    reply = await OrganizationServiceStub(tenancy).ListOrganizations(
        request, metadata=late.metadata
    )
    assert list(reply.items) == []


async def test_tells_the_others_and_the_audit_log(
    tenancy: grpc.aio.Channel, caller: Caller, published: Published
) -> None:
    created = await create(tenancy, caller, "Acme")
    events = await published(UUID(created.id), OrganizationCreated)
    assert events == [OrganizationCreated(org_id=created.id, owner_id=str(caller.user_id))]
    (record,) = await published(UUID(created.id), AccessRecorded)
    assert record.action == "tenancy.organizations.create"
    assert record.actor == f"users/{caller.user_id}"
    assert record.resource == f"organizations/{created.id}"


async def test_needs_a_session(tenancy: grpc.aio.Channel) -> None:
    with pytest.raises(PeerError) as refused:
        await OrganizationServiceStub(tenancy).CreateOrganization(
            CreateOrganizationRequest(name="Acme")
        )
    assert refused.value.reason == "unauthenticated"
