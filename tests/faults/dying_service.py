"""A service that dies between the commit of a revocation and the settling of its mark.

`python -m tests.faults.dying_service serve`, with the settings of auth or tenancy. With
`TENON_<SERVICE>_DYING_MARKS=no` it does not even mark, as a control.
"""

import os
import signal
from collections.abc import Mapping
from importlib import import_module

from tenon_policy.grants import GrantChanges, GrantKey
from tenon_rpc.process import main


async def die(changes: GrantChanges, levels: Mapping[GrantKey, int], mark: str) -> None:  # noqa: ARG001 # as it is
    os.kill(os.getpid(), signal.SIGKILL)


async def mark_nothing(changes: GrantChanges, *keys: GrantKey) -> str:  # noqa: ARG001 # as it is
    return "?"


if __name__ == "__main__":
    service = "auth" if "TENON_AUTH_LISTEN" in os.environ else "tenancy"
    setattr(GrantChanges, "settle", die)  # noqa: B010 # a test's liberty
    if os.environ.get(f"TENON_{service.upper()}_DYING_MARKS") == "no":
        setattr(GrantChanges, "mark", mark_nothing)  # noqa: B010 # as above
    main(import_module(f"tenon_{service}.app").APP)
