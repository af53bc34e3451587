from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.auth.tests.identities.hostile_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Hostile,
    serving,
)
from services.auth.tests.identities.visitor import NAME, OTHER, Visitor
from tenon_auth.app import APP
from tenon_testing.system import System


@pytest.fixture(scope="session")
async def providers() -> AsyncIterator[dict[str, Hostile]]:
    """Two providers, by their names."""
    async with serving(Hostile()) as one, serving(Hostile()) as other:
        yield {NAME: one, OTHER: other}


def settings_of(name: str, hostile: Hostile, **changes: Any) -> dict[str, Any]:
    honest = {
        "name": name,
        "title": name.title(),
        "issuer": hostile.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return {**honest, **changes}


@pytest.fixture(scope="session")
async def oidc(system: System, providers: dict[str, Hostile]) -> AsyncIterator[grpc.aio.Channel]:
    """Auth in this process, with both of them."""
    both = [settings_of(name, provider) for name, provider in providers.items()]
    async with system.serving(APP, oidc_providers=both) as channel:
        yield channel


@asynccontextmanager
async def fresh(system: System, hostile: Hostile) -> AsyncIterator[Visitor]:
    """Serve an auth that has never asked the provider anything."""
    async with system.serving(APP, oidc_providers=[settings_of(NAME, hostile)]) as channel:
        yield Visitor(channel, hostile)


@pytest.fixture
def hostile(providers: dict[str, Hostile]) -> Hostile:
    """The first of them; honest, for the beginning."""
    for provider in providers.values():
        provider.reset()
    return providers[NAME]


@pytest.fixture
def visitor(oidc: grpc.aio.Channel, hostile: Hostile) -> Visitor:
    return Visitor(oidc, hostile)
