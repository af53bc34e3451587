"""Deleting events that everybody has had time to consume."""

from datetime import timedelta

from sqlalchemy import delete, func, select, update

from tenon_db.database import Database
from tenon_db.tables import outbox_head_of, outbox_of

BATCH = 1_000


async def delete_old_events(database: Database, keep: timedelta) -> int:
    """Delete the oldest events that happened longer than `keep` ago, up to BATCH; return how many.

    Always a beginning of the feed, so that a consumer that missed some can be told by its position.
    """
    outbox, head = outbox_of(database.schema), outbox_head_of(database.schema)
    oldest = (
        select(outbox.c.position, outbox.c.event_time)
        .where(outbox.c.position.is_not(None))
        .order_by(outbox.c.position)
        .limit(BATCH)
        .cte("oldest")
    )
    kept = select(func.min(oldest.c.position)).where(oldest.c.event_time >= func.now() - keep)
    passed = select(func.max(oldest.c.position)).where(
        oldest.c.position < func.coalesce(kept.scalar_subquery(), oldest.c.position + 1)
    )
    async with database.system("retention") as tx:
        last = await tx.scalar(passed)
        if last is None:
            return 0
        await tx.execute(update(head).where(head.c.first < last).values(first=last))
        return (await tx.execute(delete(outbox).where(outbox.c.position <= last))).rowcount
