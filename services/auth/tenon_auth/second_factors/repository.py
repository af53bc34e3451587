from uuid import UUID

from sqlalchemy import func, literal, select

from tenon_db.transaction import Transaction


class SecondFactorRepository:
    """What all second factors of the transaction's user have in common: one change at a time."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, user_id: UUID) -> None:
        """Let others who change the user's second factors wait until the commit."""
        name = literal(f"second_factors/{user_id}")
        await self._tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
