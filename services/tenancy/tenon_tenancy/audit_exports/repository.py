import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_exports.models import (
    UNFINISHED,
    AuditExport,
    ExportFormat,
    ExportState,
    audit_exports,
)
from tenon_tenancy.errors import AuditExportNotFound

table = audit_exports.c


class AuditExportRepository:
    """The exports of the transaction's organization."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, export: AuditExport) -> None:
        await self._tx.execute(insert(audit_exports).values(dataclasses.asdict(export)))

    async def count_unfinished(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).where(table.org_id == self._tx.org_id, table.state.in_(UNFINISHED))
        )
        return counted

    async def find(self, export_id: UUID | None) -> AuditExport | None:
        row = await self._tx.row(
            select(audit_exports).where(table.org_id == self._tx.org_id, table.id == export_id)
        )
        return _export(row) if row else None

    async def get(self, export_id: UUID | None) -> AuditExport:
        """Return it; AuditExportNotFound."""
        export = await self.find(export_id)
        if export is None:
            raise AuditExportNotFound
        return export

    async def page(self, before: UUID | None, limit: int) -> Sequence[AuditExport]:
        """Return the newest that are older than `before`."""
        statement = select(audit_exports).where(table.org_id == self._tx.org_id)
        if before:
            statement = statement.where(table.id < before)
        rows = await self._tx.rows(statement.order_by(table.id.desc()).limit(limit))
        return [_export(row) for row in rows]

    async def change(
        self, export_id: UUID, states: frozenset[ExportState], **values: object
    ) -> AuditExport | None:
        """Change it if it is in one of these states; None if it is not, or gone."""
        row = await self._tx.row(
            update(audit_exports)
            .where(table.org_id == self._tx.org_id, table.id == export_id)
            .where(table.state.in_(states))
            .values(values)
            .returning(audit_exports)
        )
        return _export(row) if row else None


def _export(row: Row[Any]) -> AuditExport:
    fields = {**row._mapping}  # noqa: SLF001 # SQLAlchemy's public name begins with _
    fields |= {"state": ExportState(row.state), "format": ExportFormat(row.format)}
    return AuditExport(**fields)
