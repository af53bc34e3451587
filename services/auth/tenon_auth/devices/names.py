"""What people call the device that a User-Agent header is of."""

from functools import cache, lru_cache
from typing import Any

from tenon_core.display_names import is_display_name

REMEMBERED = 1_000


@lru_cache(REMEMBERED)
def device_name(user_agent: str) -> str:
    """Return such as `Firefox on Linux`; empty for what nobody knows."""
    if not user_agent:
        return ""
    known = (_parser().parse_user_agent(user_agent), _parser().parse_os(user_agent))
    name = " on ".join(part.family for part in known if part)
    return name if is_display_name(name) else ""  # some rules take a family from the header


@cache
def _parser() -> Any:
    """Make the parser when it is first wanted: it takes 6 MB, and 25 more if its rules were in one
    automaton, which would save a millisecond for each new header.
    """
    from ua_parser import Parser
    from ua_parser.basic import Resolver
    from ua_parser.loaders import load_lazy_builtins

    return Parser(Resolver(load_lazy_builtins()))
