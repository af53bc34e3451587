"""The command line of whoever bills for all organizations: `python -m tenon_tenancy usage` and, by
the launcher, `tenon usage`.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias
from uuid import UUID

import click

from tenon_core.errors import TenonError
from tenon_tenancy.usage.service import Usage, UsageService

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[UsageService]]
"""What is used of a system, as an operator has it."""


@click.command()
@click.option("--month", default="", help="YYYY-MM, in UTC; without it, the present one.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a line for each organization.")
@click.pass_obj
def usage(opened: Open, month: str, *, as_json: bool) -> None:
    """Say what each organization uses, one after the other.

    Ends with 1 and a message when a service does not answer: what was said until then is right.
    """

    async def tell() -> None:
        async with opened() as used:
            async for org_id, found in used.every(month):
                click.echo(_as_json(org_id, found) if as_json else _as_text(org_id, found))

    try:
        asyncio.run(tell())
    except TenonError as error:
        problems = "".join(f" {field.pointer[1:]} {field.message}." for field in error.fields)
        raise click.ClickException(problems.strip() or error.detail) from error


def _as_json(org_id: UUID, found: Usage) -> str:
    return json.dumps({"org_id": str(org_id), "month": str(found.month), **_figures(found)})


def _as_text(org_id: UUID, found: Usage) -> str:
    figures = ", ".join(f"{number:,} {name}" for name, number in _figures(found).items())
    return f"{org_id} in {found.month}: {figures}".replace("_", " ")


def _figures(found: Usage) -> dict[str, int]:
    return {"members": found.members, **found.figures}
