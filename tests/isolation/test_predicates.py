"""The positive controls of what `test_walls.py` finds in statements."""

from sqlalchemy import bindparam, exists, insert, select, text, update

from tenon_reports.datasets.models import datasets
from tenon_reports.runs.models import runs
from tenon_tenancy.members.models import memberships
from tenon_tenancy.organizations.models import organizations, slugs
from tests.isolation.predicates import PERSON, predicates, targets, unkeyed, without

OWN = datasets.c.org_id == bindparam("org_id")
COPY = "COPY (SELECT 1 FROM reports.events WHERE reports.events.org_id = %(org_id_1)s) TO STDOUT"


def names(statement: object) -> list[str]:
    return [predicate.text for predicate in predicates(statement)]


def test_a_statement_without_its_organization_is_found() -> None:
    assert unkeyed(select(datasets)) == {"reports.datasets"}
    assert unkeyed(update(datasets).values(name="stolen")) == {"reports.datasets"}
    assert unkeyed(select(datasets).where(OWN)) == set()


def test_so_is_one_in_a_part_of_a_statement() -> None:
    loose = exists().where(datasets.c.id == runs.c.dataset_id)
    keyed = select(runs).where(runs.c.org_id == bindparam("org_id"))
    assert unkeyed(keyed.where(loose)) == {"reports.datasets"}
    assert unkeyed(keyed.where(loose.where(datasets.c.org_id == runs.c.org_id))) == set()


def test_a_person_is_no_organization() -> None:
    own = select(memberships).where(memberships.c.user_id == bindparam("user_id"))
    assert unkeyed(own) == {"tenancy.memberships"}
    assert unkeyed(own, PERSON) == set()


def test_what_is_inserted_names_its_organization_in_the_row() -> None:
    assert unkeyed(insert(datasets)) == set()
    assert targets(select(insert(datasets).returning(datasets.c.id).cte())) == {datasets}


def test_what_holds_a_global_table_is_no_organization_predicate() -> None:
    joined = select(slugs).where(slugs.c.org_id == organizations.c.id)
    assert names(joined) == []


def test_only_the_one_predicate_is_taken_out() -> None:
    statement = select(datasets.c.id).where(OWN, datasets.c.id == bindparam("id"))
    (predicate,) = predicates(statement)
    assert str(without(statement, predicate)).endswith("WHERE reports.datasets.id = :id")


def test_written_sql_is_read_too() -> None:
    assert names(COPY) == ["reports.events.org_id = :org_id"]
    assert without(COPY, predicates(COPY)[0]).endswith("WHERE TRUE) TO STDOUT")
    statement = text("DELETE FROM reports.runs AS r WHERE r.org_id = :org_id AND r.id = :id")
    (predicate,) = predicates(statement)
    assert str(without(statement, predicate)).endswith("WHERE TRUE AND r.id = :id")
    assert unkeyed(text("DELETE FROM reports.runs")) == {"reports.runs"}
