from dataclasses import dataclass
from typing import Literal, Self

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, what is there, and what to do about it if it is not well."""

    level: Level
    subject: str
    text: str
    advice: str = ""

    @classmethod
    def ok(cls, subject: str, text: str) -> Self:
        return cls("ok", subject, text)

    @classmethod
    def warn(cls, subject: str, text: str, advice: str) -> Self:
        return cls("warn", subject, text, advice)

    @classmethod
    def fail(cls, subject: str, text: str, advice: str) -> Self:
        return cls("fail", subject, text, advice)
