"""A service that dies between the commit of a revocation and the replacement of its marks.

`python -m tests.faults.dying_service serve`, with the settings of auth or tenancy. It dies before
it settles the grant, or with `TENON_<SERVICE>_DYING_AT=tags` before it renews the caches' tags.
With `TENON_<SERVICE>_DYING_MARKS=no` it does not even mark, as a control.
"""

import os
import signal
from importlib import import_module
from typing import Any

from tenon_policy.grants import GrantChanges
from tenon_policy.tags import Tags
from tenon_rpc.process import main

REPLACES: dict[str, tuple[Any, str]] = {"grants": (GrantChanges, "settle"), "tags": (Tags, "renew")}


async def die(*arguments: object) -> None:  # noqa: ARG001 # whatever it stands for takes
    os.kill(os.getpid(), signal.SIGKILL)


async def mark_nothing(*arguments: object) -> str:  # noqa: ARG001 # as above
    return "?"  # what marks grants returns it


if __name__ == "__main__":
    service = "auth" if "TENON_AUTH_LISTEN" in os.environ else "tenancy"
    prefix = f"TENON_{service.upper()}_DYING_"
    # Taken out of the environment: a service refuses settings that it does not know.
    owner, replace = REPLACES[os.environ.pop(f"{prefix}AT", "grants")]
    setattr(owner, replace, die)
    if os.environ.pop(f"{prefix}MARKS", "") == "no":
        owner.mark = mark_nothing
    main(import_module(f"tenon_{service}.app").APP)
