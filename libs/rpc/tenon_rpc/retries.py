"""A second try for calls that may be repeated, as long as such tries stay few."""

import random

import grpc
from google.protobuf import descriptor_pool
from prometheus_client import Counter

from tenon.options.v1 import options_pb2
from tenon_rpc.status import DETAILS_KEY

SHARE = 0.2
"""Second tries per first one, at most: a peer in trouble is not asked twice by everybody."""
MAX_SAVED = 10.0
PAUSE_SECONDS = (0.02, 0.1)

REPEATABLE = (options_pb2.IDEMPOTENCY_SAFE, options_pb2.IDEMPOTENCY_NATURAL)

RETRIES = Counter("tenon_rpc_retries", "Calls to peers that were tried again", ["method"])


class RetryBudget:
    """What the calls of one channel may spend on second tries."""

    def __init__(self) -> None:
        self._saved = 0.0

    def earn(self) -> None:
        """Call with each first try."""
        self._saved = min(MAX_SAVED, self._saved + SHARE)

    def spend(self) -> bool:
        """Say whether there is enough for one more try, which is then spent."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def is_repeatable(method: str) -> bool:
    """Say whether a method's policy allows to call it twice; `method` is its path."""
    service, _, name = method.removeprefix("/").partition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return False
    policy = found.GetOptions().Extensions[options_pb2.policy]
    return policy.idempotency in REPEATABLE


def never_arrived(error: grpc.aio.AioRpcError) -> bool:
    """Say whether nobody of ours answered. What a service sends itself has details and is its last
    word: it has tried what it could, and tries at every layer would multiply. CANCELLED is what
    a server that stops says to calls that came in between.
    """
    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return False
    return DETAILS_KEY not in dict(error.trailing_metadata() or ())


def pause() -> float:
    """Return the seconds to wait before a second try: not the same for all callers."""
    return random.uniform(*PAUSE_SECONDS)  # noqa: S311 # it is no secret
