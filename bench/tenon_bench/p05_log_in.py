"""P5: log-ins, against bare bcrypt in as many threads; and what ten times as many do to those who
are logged in, and to themselves.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from tenon_auth.passwords.hashing import cores
from tenon_auth.settings import AuthSettings
from tenon_bench.figures import Figure
from tenon_bench.load import Load, measure
from tenon_bench.offer import Answers, Offer, offered
from tenon_bench.session import PASSWORD, browser, sign_up
from tenon_bench.system import SystemUnderTest

COST = AuthSettings.model_fields["bcrypt_cost"].default
ACCOUNTS = 12
"""More than one: an account has few guesses at once, and few sessions."""
CONNECTIONS = 8
READS_A_SECOND = 500
TIMES = 10
GOAL_RATIO = 0.9
GOAL_READ_MS = 100
GOAL_REFUSAL_MS = 50
NOTHING = Answers(0, float("nan"), float("nan"), 0)


async def run(system: SystemUnderTest, seconds: float) -> list[Figure]:
    accounts = _accounts(system)
    headers = {"Origin": system.url}
    url = f"{system.url}/api/auth/login"
    ceiling = _ceiling(seconds)
    log_ins = await measure(Load(url, headers, CONNECTIONS, seconds, bodies=accounts))
    reads = Offer(
        f"{system.url}/api/auth/session", {"Cookie": system.cookie}, READS_A_SECOND, seconds
    )
    alone = (await offered(reads)).get("200", NOTHING)
    flood = Offer(url, headers, TIMES * ceiling, seconds, bodies=accounts)
    beside, flooded = await asyncio.gather(offered(reads), offered(flood))
    return [
        Figure(
            "P5",
            f"log-ins, {CONNECTIONS} connections, p99 {log_ins.p99:.0f} ms,"
            f" {log_ins.failures} failures",
            log_ins.rate,
            "log-ins/s",
            f"bcrypt at cost {COST} in {cores()} threads",
            ceiling,
            f"≥ {GOAL_RATIO:.0%} of the baseline",
            log_ins.rate >= GOAL_RATIO * ceiling and not log_ins.failures,
        ),
        _reads(alone, beside),
        _refusals(flooded, seconds),
    ]


def _reads(alone: Answers, beside: dict[str, Answers]) -> Figure:
    """Those who are logged in must hardly notice."""
    well = beside.get("200", NOTHING)
    failures = sum(answers.count for answers in beside.values()) - well.count
    return Figure(
        "P5",
        f"GET /api/auth/session at {READS_A_SECOND}/s beside {TIMES} times as many log-ins,"
        f" p99; {failures} failures",
        well.p99,
        "ms",
        "the same without log-ins, p99",
        alone.p99,
        f"≤ {GOAL_READ_MS}",
        well.p99 <= GOAL_READ_MS and not failures,
    )


def _refusals(flooded: dict[str, Answers], seconds: float) -> Figure:
    """What is too much must be told so at once, and when to come back."""
    refused, admitted = flooded.get("429", NOTHING), flooded.get("200", NOTHING)
    others = sum(answers.count for answers in flooded.values()) - refused.count - admitted.count
    mute = refused.count - refused.with_retry_after
    return Figure(
        "P5",
        f"of these log-ins {refused.count} refused, p99; {mute} without Retry-After,"
        f" {admitted.count / seconds:.1f}/s admitted, {others} failures",
        refused.p99,
        "ms",
        "the admitted, p50",
        admitted.p50,
        f"≤ {GOAL_REFUSAL_MS}",
        refused.p99 <= GOAL_REFUSAL_MS and not mute and not others,
    )


def _accounts(system: SystemUnderTest) -> Sequence[str]:
    """Create accounts, and return the body with which each logs in."""
    log_ins = []
    for _ in range(ACCOUNTS):
        with browser(system.url) as client:
            log_ins.append(json.dumps(sign_up(client)))
    return log_ins


def _ceiling(seconds: float) -> float:
    """Return how many passwords a second bare bcrypt checks, in a process of its own."""
    command = [sys.executable, "-m", "tenon_bench.p05_log_in", str(seconds)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _checks_a_second(seconds: float) -> float:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST))
    started = time.perf_counter()

    def check_on(_: int) -> int:
        count = 0
        while time.perf_counter() - started < seconds:
            bcrypt.checkpw(PASSWORD.encode(), hashed)
            count += 1
        return count

    with ThreadPoolExecutor(cores()) as pool:
        checked = sum(pool.map(check_on, range(cores())))
    return checked / (time.perf_counter() - started)


if __name__ == "__main__":
    print(_checks_a_second(float(sys.argv[1])))
