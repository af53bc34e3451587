"""A2: the walls hold alone. Each organization predicate of each statement on a tenant's table is
taken out, while tenancy, reports and API keys are used for everything they do by an organization
whose every row another one has too, under the same ids. Without row level security each such
statement shows or changes what is the other's; with it, none does.
"""

import ast
import importlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from services.reports.tests.reports_client import ReportsClient
from tenon_auth.app import APP as AUTH
from tenon_reports.app import APP as REPORTS
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Callers
from tenon_testing.servers import Servers
from tenon_testing.system import System
from tests.isolation.attacks import Attack, carry_out
from tests.isolation.contract import rpcs
from tests.isolation.doors import ServiceDoor
from tests.isolation.predicates import SCHEMAS
from tests.isolation.probes import METHODS, Findings, Prober, Site, stripped
from tests.isolation.scenario import use_everything
from tests.isolation.shadows import cast_shadows, take_the_third_wall_down
from tests.isolation.stage import Stage
from tests.isolation.worlds import World

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "isolation.md"
PACKAGES = ("tenon_auth.api_keys", "tenon_tenancy", "tenon_reports")
"""Where statements on tenants' tables are written."""
LOOK_UPS = frozenset({"system: grants", "system: demands"})
RUNS = frozenset(METHODS)


@dataclass(frozen=True)
class Walls:
    """What was found with row level security, and without; the stage stays without."""

    secured: Findings
    bare: Findings
    stage: Stage


@pytest.fixture(scope="session")
async def walls(servers: Servers) -> AsyncIterator[Walls]:
    """Two uses of everything, in a system of its own, whose row level security is taken down."""
    system = System(servers, f"walls_{uuid4().hex}")
    await _end_deadlocks_soon(system)
    callers = Callers(system)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenon_reports.runs.exporting.TICK_SECONDS", 0.01)  # so that it is watched
        patch.setattr("tenon_reports.ingest.repository.PURGE_ROWS", 1)  # so that there are bites
        async with (
            system.serving(AUTH) as auth,
            system.serving(TENANCY) as tenancy,
            system.serving(REPORTS) as reports,
            await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as admin,
        ):
            stage = Stage(system, callers, admin, auth, tenancy, reports)
            await cast_shadows(admin, SCHEMAS)
            secured = await _watched(stage)
            await take_the_third_wall_down(admin, SCHEMAS)
            yield Walls(secured, await _watched(stage), stage)
    await callers.close()
    system.stop()


async def _end_deadlocks_soon(system: System) -> None:
    """Statements without their predicates lock what is another transaction's, and that one's this
    one's.
    """
    async with await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as admin:
        setting = SQL("ALTER DATABASE {} SET deadlock_timeout = '10ms'")
        await admin.execute(setting.format(Identifier(system.database)))


async def _watched(stage: Stage) -> Findings:
    with Prober(foreign_org=str(uuid4())).watching() as found:
        await use_everything(stage)
    return found


def test_each_predicate_holds_without_row_level_security(walls: Walls) -> None:
    """Taken out, each lets something of the other organization through: 100 %."""
    assert len(walls.bare.probed) > 40
    assert sorted(set(walls.bare.probed) - set(walls.bare.leaking)) == []


def test_row_level_security_holds_without_any_predicate(walls: Walls) -> None:
    """But for the look-ups over all tenants that a purpose in the schema allows; and a person's own
    organizations may be mixed up with each other.
    """
    through = {
        site: seen
        for site, seen in walls.secured.leaking.items()
        if not (site.scope in LOOK_UPS or _is_ones_own(site, walls.secured))
    }
    assert through == {}
    assert set(walls.secured.probed) == set(walls.bare.probed)


def _is_ones_own(site: Site, found: Findings) -> bool:
    """Say whether a person saw nothing that they do not see with the predicate."""
    return site.scope == "user" and found.strange[site] <= found.shown[site.function]


def test_row_level_security_refuses_rows_for_another_organization(walls: Walls) -> None:
    """Each insert, sent again in another's transaction; without it, none is refused."""
    assert len(walls.secured.inserting) > 8
    assert walls.secured.misplaced == set()
    assert walls.bare.misplaced == walls.bare.inserting


REACHED = {
    "DatasetService.GetDataset": ("dataset_id", "datasets.repository.DatasetRepository.get"),
    "RunService.GetRun": ("run_id", "runs.repository.RunRepository.get"),
    "UploadService.GetUpload": ("upload_id", "uploads.repository.UploadRepository.get"),
}


@pytest.mark.parametrize("name", REACHED)
async def test_an_attack_gets_through_where_both_walls_are_down(walls: Walls, name: str) -> None:
    """From the outside: the service tells what is the victim's once its predicate is gone too."""
    field, function = REACHED[name]
    rpc = next(rpc for rpc in rpcs() if rpc.name == name)
    door = ServiceDoor(name, rpc, walls.stage.reports)
    attack = Attack(rpc, 0, {(field,): "as it is"})
    own, victim = await _small_world(walls.stage), await _small_world(walls.stage)
    token = own.tenant.owner.access_token
    assert not (await carry_out(door, token, attack, own, victim)).is_leak
    with stripped(f"tenon_reports.{function}"):
        assert (await carry_out(door, token, attack, own, victim)).is_leak


async def _small_world(stage: Stage) -> World:
    """Make an organization with a dataset, and an upload and a run that nobody works on."""
    client = ReportsClient(stage.reports, await stage.callers.tenant())
    dataset = (await client.create_dataset()).id
    names = {
        "organization": client.org_id,
        "dataset": dataset,
        "upload": (await client.upload(dataset, b"time\n")).id,
        "run": (await client.start_run(events={"dataset_id": dataset})).id,
    }
    return World(client.tenant, client.tenant.owner, names)


def test_every_statement_names_the_organization(walls: Walls) -> None:
    assert walls.secured.unkeyed | walls.bare.unkeyed == set()


def test_every_statement_of_a_repository_was_run(walls: Walls) -> None:
    """A new repository's method has to be used in `scenario.py`."""
    written = {name for package in PACKAGES for name in _functions_with_sql(package)}
    assert len(written) > 40
    assert sorted(written - walls.bare.functions) == []


def _functions_with_sql(package: str) -> Iterator[str]:
    """Yield the functions of a service that run a statement, by their full names."""
    home = Path(str(importlib.import_module(package).__file__)).parent
    for path in sorted(home.rglob("*.py")):
        module = ".".join((package, *path.relative_to(home).with_suffix("").parts))
        for name, node in _functions(ast.parse(path.read_text()), ""):
            if any(map(_runs_sql, ast.walk(node))):
                yield f"{module}.{name}"


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node


def _runs_sql(node: ast.AST) -> bool:
    """Say whether this is a call such as `self._tx.rows(…)` or `tx.execute(…)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    holder = node.func.value
    name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
    return node.func.attr in RUNS and name.lstrip("_") == "tx"


def test_the_list_of_predicates_is_as_documented(walls: Walls) -> None:
    """`TENON_WRITE=1` writes it anew."""
    page = _page(walls)
    if os.environ.get("TENON_WRITE"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, f"run this test with TENON_WRITE=1 to write {PAGE.name} anew"


def _page(walls: Walls) -> str:
    sites = sorted(walls.bare.probed)
    lines = [
        f"| `{site.function}` | {site.scope} | {site.verb} | `{site.predicate}` |" for site in sites
    ]
    inserts = [f"- `{insert}`" for insert in sorted(walls.bare.inserting)]
    return "\n".join((INTRODUCTION.format(count=len(sites)), *lines, INSERTS, *inserts, ""))


INTRODUCTION = """\
# The predicates that hold each statement to its organization
Written by `tests/isolation/test_walls.py`; do not edit. `TENON_WRITE=1 ./tenon test \
tests/isolation/test_walls.py` writes it anew.

Each of these {count} was taken out, and the statement run, while an organization was used whose \
every row another one has too, under the same ids. Without row level security each shows or \
changes the other's rows. With it none does, but for the look-ups for `grants` and `demands`, \
which a purpose in the schema lets read all memberships and organizations \
([decision 4](decisions/0004-system-transactions-name-a-purpose.md)).

| function | transaction | statement | predicate |
|---|---|---|---|"""
INSERTS = """
These insert, and name the organization in the row. Sent in another organization's transaction, \
row level security refuses each.
"""
