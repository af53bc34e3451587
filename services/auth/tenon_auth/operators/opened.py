from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias

from tenon_auth.operators.service import OperatorService
from tenon_auth.signing_keys.operator import SigningKeyOperator
from tenon_db.database import Database
from tenon_rotation.operator import RotationOperator


@dataclass(frozen=True)
class Opened:
    """What a command works on, connected."""

    database: Database
    accounts: OperatorService
    signing_keys: SigningKeyOperator
    encryption: RotationOperator


Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Opened]]
