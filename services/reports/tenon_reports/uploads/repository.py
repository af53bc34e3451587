from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, func, select, update

from tenon_db.transaction import Transaction
from tenon_reports.datasets.models import datasets
from tenon_reports.errors import UploadNotFound
from tenon_reports.uploads.models import (
    FINISHED,
    Counts,
    Header,
    Listed,
    Upload,
    UploadState,
    uploads,
)


class UploadRepository:
    """The uploads of the transaction's organization."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, upload: Upload) -> None:
        await self._tx.execute(
            uploads.insert().values(
                org_id=upload.org_id,
                id=upload.id,
                dataset_id=upload.dataset_id,
                user_id=upload.user_id,
                state=upload.state.value,
                time_column=upload.header.time_column,
                id_column=upload.header.id_column,
                time_zone=upload.header.time_zone,
                null_text=upload.header.null_text,
                gzip=upload.header.gzip,
                size_bytes=upload.size_bytes,
                create_time=upload.create_time,
            )
        )

    async def find(self, upload_id: UUID | None) -> Upload | None:
        row = await self._tx.row(select(uploads).where(*self._own(upload_id)))
        return _upload(row) if row else None

    async def get(self, upload_id: UUID | None) -> Upload:
        """Return it, unless its dataset is deleted; UploadNotFound."""
        live = exists().where(
            datasets.c.org_id == uploads.c.org_id,
            datasets.c.id == uploads.c.dataset_id,
            datasets.c.delete_time.is_(None),
        )
        row = await self._tx.row(select(uploads).where(*self._own(upload_id), live))
        if row is None:
            raise UploadNotFound
        return _upload(row)

    async def start(self, upload_id: UUID) -> None:
        await self._tx.execute(
            self._change_unfinished(upload_id).values(
                state=UploadState.RUNNING.value, waiting_reason=""
            )
        )

    async def wait(self, upload_id: UUID, reason: str = "") -> None:
        """Show that it waits to go on, and why."""
        await self._tx.execute(
            self._change_unfinished(upload_id).values(
                state=UploadState.QUEUED.value, waiting_reason=reason
            )
        )

    async def set_digest(self, upload_id: UUID, digest: str) -> None:
        await self._tx.execute(self._change_unfinished(upload_id).values(sha256=digest))

    async def set_missing_columns(self, upload_id: UUID, names: Sequence[str]) -> None:
        change = self._change_unfinished(upload_id).values(missing_columns=list(names))
        await self._tx.execute(change)

    async def advance(
        self,
        upload_id: UUID,
        rows: int,
        count: int,
        taken: Counts,
        part: int | None,
        listed: Listed,
    ) -> bool:
        """Count `count` more records as done; False if they are no longer at record `rows`."""
        values: dict[str, object] = {
            "rows": uploads.c.rows + count,
            "accepted": uploads.c.accepted + taken.accepted,
            "duplicates": uploads.c.duplicates + taken.duplicates,
            "conflicts": uploads.c.conflicts + taken.conflicts,
            "rejected": uploads.c.rejected + taken.rejected,
        }
        if part is not None:
            values["rejected_parts"] = func.array_append(uploads.c.rejected_parts, part)
            values["listed_rows"] = uploads.c.listed_rows + listed.rows
            values["listed_bytes"] = uploads.c.listed_bytes + listed.size_bytes
        change = self._change_unfinished(upload_id).where(uploads.c.rows == rows)
        return (await self._tx.execute(change.values(**values))).rowcount == 1

    async def finish(self, upload_id: UUID, state: UploadState, failure: str = "") -> Upload | None:
        """End it; None if it had ended before."""
        change = self._change_unfinished(upload_id).values(
            state=state.value, failure=failure, finish_time=func.now()
        )
        row = await self._tx.row(change.returning(uploads))
        return _upload(row) if row else None

    async def page_of_dataset(self, dataset_id: UUID, limit: int) -> list[Upload]:
        rows = await self._tx.rows(
            select(uploads)
            .where(uploads.c.org_id == self._tx.org_id, uploads.c.dataset_id == dataset_id)
            .limit(limit)
        )
        return [_upload(row) for row in rows]

    async def remove(self, upload_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            delete(uploads).where(uploads.c.org_id == self._tx.org_id, uploads.c.id.in_(upload_ids))
        )

    def _own(self, upload_id: UUID | None) -> tuple[Any, ...]:
        return uploads.c.org_id == self._tx.org_id, uploads.c.id == upload_id

    def _change_unfinished(self, upload_id: UUID) -> Any:
        ended = [state.value for state in FINISHED]
        return update(uploads).where(*self._own(upload_id), uploads.c.state.not_in(ended))


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        org_id=row.org_id,
        id=row.id,
        dataset_id=row.dataset_id,
        user_id=row.user_id,
        state=UploadState(row.state),
        header=Header(row.time_column, row.id_column, row.time_zone, row.null_text, row.gzip),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        rows=row.rows,
        counts=Counts(row.accepted, row.duplicates, row.conflicts, row.rejected),
        missing_columns=tuple(row.missing_columns),
        rejected_parts=tuple(row.rejected_parts),
        failure=row.failure,
        create_time=row.create_time,
        finish_time=row.finish_time,
        listed=Listed(row.listed_rows, row.listed_bytes),
        waiting_reason=row.waiting_reason,
    )
