"""Who goes first where an account is logged in to, taken back or erased at once. All lock its row,
before any other row of the user's (services/auth/README.md, "Who waits for whom").
"""

from uuid import UUID

from tenon_auth.users.repository import AccountRepository
from tenon_db.transaction import Transaction


async def hold(tx: Transaction, user_id: UUID) -> None:
    """Hold off, until the commit, whoever takes an account back; or wait for them, and see then
    what they have left. Others may hold it, too.
    """
    await AccountRepository(tx).hold(user_id)


async def lock(tx: Transaction, user_id: UUID) -> None:
    """Hold off, until the commit, whoever logs in to an account, adds a way in or changes it."""
    await AccountRepository(tx).lock(user_id)
