"""What people call the device that a User-Agent header is of."""

from functools import cache, lru_cache

from ua_parser import OS, Parser, UserAgent
from ua_parser.basic import Resolver
from ua_parser.loaders import load_lazy_builtins

REMEMBERED = 1_000


@lru_cache(REMEMBERED)
def device_name(user_agent: str) -> str:
    """Return such as `Firefox on Linux`; empty for what nobody knows."""
    program: UserAgent | None = _parser().parse_user_agent(user_agent)
    system: OS | None = _parser().parse_os(user_agent)
    return " on ".join(known.family for known in (program, system) if known)


@cache
def _parser() -> Parser:
    """Make the parser when it is first wanted; without its rules in one automaton, which would take
    25 MB to save a millisecond for each new header.
    """
    return Parser(Resolver(load_lazy_builtins()))
