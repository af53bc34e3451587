"""`python -m tenon_gateway serve | check`."""

import asyncio
import gc
import os
import signal
import sys

import structlog
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError
from redis.exceptions import RedisError

from tenon_core import logging
from tenon_core.operations import OperationsServer
from tenon_core.setting_names import UnknownSettings, require_known
from tenon_gateway.app import Readiness, build, connected, running
from tenon_gateway.settings import BadSettings, GatewaySettings
from tenon_gateway.transcoding.routes import BadRoute
from tenon_policy.policies import BadPolicy

USAGE = "usage: python -m tenon_gateway serve | check"

log = structlog.get_logger()


def main() -> None:
    """Do what the command line says; exit with a clear message if that cannot be."""
    command = {"serve": serve, "check": check}.get(" ".join(sys.argv[1:]))
    if command is None:
        sys.exit(USAGE)
    try:
        require_known(os.environ, [GatewaySettings])
        settings = GatewaySettings()
        logging.configure("gateway", settings.log_level)
        uvloop.run(command(settings))
    except (ValidationError, SettingsError) as error:
        sys.exit(f"tenon_gateway: the settings are not valid: {error}")
    except (UnknownSettings, BadPolicy, BadRoute, BadSettings, OSError, RedisError) as error:
        sys.exit(f"tenon_gateway: {error}")


async def serve(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    readiness = Readiness()
    operations = OperationsServer(settings.operations_listen, readiness)
    operations.start()
    async with running(settings, readiness) as port:
        gc.freeze()  # what was made until now stays: no collection need look at it again
        log.info("ready", port=port)
        await stop.wait()
    operations.stop()
    log.info("stopped")


async def check(settings: GatewaySettings) -> None:
    """Test the settings, the contract and Redis without serving anything."""
    async with connected(settings) as connections:
        build(settings, connections, Readiness())
        await connections.redis.ping()


if __name__ == "__main__":
    main()
