"""`python -m tenon_<service> serve | worker | migrate | check`, the same for every service, and the
commands of an operator that a service has.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

import structlog
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from tenon.events.v1.event_feed_service_pb2_grpc import add_EventFeedServiceServicer_to_server
from tenon_core import clock, logging
from tenon_core.background import background
from tenon_core.errors import TenonError
from tenon_core.operations import OperationsServer
from tenon_core.setting_names import UnknownSettings, require_known
from tenon_core.settings import ServiceSettings
from tenon_db.accesses import AccessLog
from tenon_db.catalog import UnsafeSchema, require_safe
from tenon_db.feed import Feed, Sequencer
from tenon_policy.accounts import AccountBook
from tenon_policy.grants import Grants
from tenon_policy.policies import BadPolicy, imported_services, load_policies
from tenon_policy.tags import Tags
from tenon_policy.tokens import KeySet, TokenVerifier
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import EventFeedServicer
from tenon_rpc.guard import Guard
from tenon_rpc.methods import Registration
from tenon_rpc.owners import AuthOwner, TenancyOwner
from tenon_rpc.server import RpcServer

log = structlog.get_logger()


S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class ServiceApp(Generic[S]):
    """A service as its `app.py` wires it.

    `servicers` builds what it serves; `work` runs its worker until it is told to stop. `operators`
    are commands of an operator by their first word; each takes the words that follow it.
    """

    name: str
    settings: type[S]
    migrations: Path
    servicers: Callable[[Backbone[S]], Sequence[Registration]]
    work: Callable[[S], None]
    operators: Mapping[str, Callable[[Sequence[str]], None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring(Generic[S]):
    """The parts of a process that serves."""

    backbone: Backbone[S]
    accesses: AccessLog
    server: RpcServer


def main(app: ServiceApp[S]) -> NoReturn:
    """Do what the command line says; exit with 2 and a clear message if that cannot be."""
    command = _command(app, *sys.argv[1:])
    try:
        require_known(os.environ, [app.settings])
        load_policies(imported_services())
        command()
    except (ValidationError, SettingsError) as error:
        sys.exit(f"tenon_{app.name}: the settings are not valid: {error}")
    except (UnknownSettings, BadPolicy, UnsafeSchema) as error:
        sys.exit(f"tenon_{app.name}: {error}")
    sys.exit(0)


def _command(app: ServiceApp[S], verb: str = "", *words: str) -> Callable[[], None]:
    """Return what is to be done; exit with how this is used if the words say nothing of ours."""
    commands: dict[str, Callable[[ServiceApp[S]], None]] = {
        "serve": _serve,
        "worker": lambda app: app.work(app.settings()),
        "migrate": _migrate,
        "check": _check,
    }
    if verb in app.operators:
        return partial(app.operators[verb], words)
    if verb in commands and not words:
        return partial(commands[verb], app)
    sys.exit(f"usage: python -m tenon_{app.name} {' | '.join([*commands, *app.operators])}")


def _serve(app: ServiceApp[S]) -> None:
    settings = app.settings()
    logging.configure(app.name, settings.log_level)
    uvloop.run(_until_stopped(app, settings))


def _migrate(app: ServiceApp[S]) -> None:
    from tenon_db import migrations  # Alembic is large, and only this needs it

    settings = app.settings()
    if settings.migration_database_url is None:
        sys.exit(f"set TENON_{app.name.upper()}_MIGRATION_DATABASE_URL to the owner role's URL")
    try:
        migrations.run(
            settings.migration_database_url.get_secret_value(),
            schema=app.name,
            versions=app.migrations,
        )
    except migrations.MigrationBlocked as error:
        sys.exit(f"tenon_{app.name}: {error}")


def _check(app: ServiceApp[S]) -> None:
    """Test the settings, the policies and the database without serving anything."""

    async def check() -> None:
        async with wired(app, app.settings()) as wiring:
            await require_safe(wiring.backbone.database)

    try:
        asyncio.run(check())
    except TenonError as error:
        sys.exit(f"tenon_{app.name}: {error.detail}")


async def _until_stopped(app: ServiceApp[S], settings: S) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready = False
    operations = OperationsServer(settings.operations_listen, lambda: ready)
    operations.start()
    async with running(app, settings):
        settle_garbage()
        ready = True
        await stop.wait()
        ready = False
    operations.stop()


def settle_garbage() -> None:
    """Leave what a process was started with out of garbage collection, and collect less often.

    Calls leave few cycles behind, and a collection looks at every object it is not told of.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def running(app: ServiceApp[S], settings: S) -> AsyncIterator[int]:
    """Serve the app, and run what goes beside it; yields its port."""
    async with wired(app, settings) as wiring:
        await require_safe(wiring.backbone.database)
        async with _loops(wiring):
            port = await wiring.server.start()
            try:
                yield port
            finally:
                await wiring.server.drain()


@asynccontextmanager
async def wired(app: ServiceApp[S], settings: S) -> AsyncIterator[Wiring[S]]:
    """Connect the parts of a service's process; nothing runs yet."""
    async with open_backbone(app.name, settings) as backbone:
        accesses = AccessLog(backbone.database)
        feed = EventFeedServicer(Feed(backbone.database))
        registrations = [
            *app.servicers(backbone),
            (add_EventFeedServiceServicer_to_server, feed),
        ]
        server = RpcServer(settings, registrations, _guard(backbone, accesses))
        yield Wiring(backbone, accesses, server)


@asynccontextmanager
async def _loops(wiring: Wiring[S]) -> AsyncIterator[None]:
    """Run the sequencer and the audit of reads beside the body."""
    sequencer = Sequencer(wiring.backbone.database)
    try:
        async with background(sequencer.run(), wiring.accesses.run()):
            yield
    finally:
        await _flush(wiring.accesses)


def _guard(backbone: Backbone[S], accesses: AccessLog) -> Guard:
    auth = AuthOwner(backbone.channels["auth"])
    members = TenancyOwner(backbone.channels["tenancy"])
    return Guard(
        TokenVerifier(KeySet(auth.signing_keys)),
        Grants(backbone.redis, sessions=auth, members=members),
        accesses,
        Tags(backbone.redis),
        AccountBook(members),
    )


async def _flush(accesses: AccessLog) -> None:
    try:
        await accesses.flush(before=clock.current_minute() + 1)
    except TenonError as error:
        log.warning("counts of reads are lost", error=error.detail)
