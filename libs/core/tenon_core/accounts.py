"""The account on whose behalf the current task works: its share of every resource is used.

A lost context variable only makes an organization count as its own account; nothing that decides
about access is kept in one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_account: ContextVar[UUID | None] = ContextVar("tenon_account", default=None)


def current_account() -> UUID | None:
    """Return the account; None where nobody's request or job is being served."""
    return _account.get()


@contextmanager
def acting_for(account_id: UUID | None) -> Iterator[None]:
    """Use the share of this account in the body."""
    token = _account.set(account_id)
    try:
        yield
    finally:
        _account.reset(token)
