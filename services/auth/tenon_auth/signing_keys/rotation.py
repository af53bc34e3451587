"""New signing keys for old ones, without a restart and without a token refused.

A new key is a new file. Auth publishes it as soon as it sees it, and signs with it two minutes
later; until then, and for tokens that were signed before, the key before it stays. The ones before
that are removed by the rotation.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from tenon_auth.signing_keys import files
from tenon_auth.signing_keys.service import (
    ACCESS_TOKEN_SECONDS,
    LOOK_SECONDS,
    SETTLE_SECONDS,
)
from tenon_jobs import Job, JobType, Recurring, Scope

MIN_AGE_SECONDS = 2 * (ACCESS_TOKEN_SECONDS + SETTLE_SECONDS)
"""Younger than that, the newest key has not replaced its predecessor in every token yet."""
ROTATE = "signing_keys.rotate"
DAILY = "41 3 * * *"
DAY_SECONDS = 86_400

log = structlog.get_logger()


class RotatedLately(Exception):
    """The newest key is too young to be replaced: tokens may still need the one before it."""


def rotate(directory: Path) -> str:
    """Add a key and remove those that no token needs any more; RotatedLately."""
    with files.locked(directory):
        present = files.names(directory)
        if present and files.age_seconds(directory, present[-1], time.time()) < MIN_AGE_SECONDS:
            minutes = round(MIN_AGE_SECONDS / 60)
            raise RotatedLately(f"the newest key is not {minutes} minutes old yet; rotate later")
        kid = files.add(directory)
        for needless in present[:-1]:
            files.remove(directory, needless)
        return kid


class Use(StrEnum):
    """What a key is used for at a moment."""

    VERIFIES = "verifies"
    SIGNS = "signs"
    SETTLES = "signs soon"
    NONE = "is no key"


@dataclass(frozen=True, slots=True)
class KeyStatus:
    kid: str
    age_seconds: float
    use: Use


def status(directory: Path, now: float) -> list[KeyStatus]:
    """Return what each key is used for by processes that run, from oldest to newest."""
    ages = {kid: files.age_seconds(directory, kid, now) for kid in files.names(directory)}
    good = [kid for kid in ages if files.load(directory, kid)]
    settled = [kid for kid in good if ages[kid] >= SETTLE_SECONDS + LOOK_SECONDS]
    signing = (settled or good or [""])[-1]
    return [KeyStatus(kid, age, _use(kid, good, signing)) for kid, age in ages.items()]


def _use(kid: str, good: Collection[str], signing: str) -> Use:
    if kid not in good:
        return Use.NONE
    if kid == signing:
        return Use.SIGNS
    return Use.SETTLES if kid > signing else Use.VERIFIES


class RotationTasks:
    def __init__(self, directory: Path, days: float) -> None:
        """Replace keys that are so many days old."""
        self._directory = directory
        self._seconds = days * DAY_SECONDS

    def types(self) -> list[JobType]:
        return [JobType(ROTATE, self.rotate, scope=Scope.SYSTEM)]

    def recurring(self) -> list[Recurring]:
        return [Recurring(ROTATE, DAILY, ROTATE)]

    async def rotate(self, _: Job) -> None:
        newest = files.names(self._directory)[-1]
        if files.age_seconds(self._directory, newest, time.time()) < self._seconds:
            return
        try:
            kid = rotate(self._directory)
        except OSError as error:  # such as a secret that is mounted read-only
            log.warning("a signing key is old and cannot be replaced here", error=error.strerror)
        else:
            log.info("signing key rotated", kid=kid)
