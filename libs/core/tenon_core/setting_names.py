"""Which environment variables are settings. A misspelt one must not be ignored silently."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from tenon_core.settings import ProcessSettings
from tenon_core.shared_settings import SHARED_FIELDS, SHARED_PREFIX

PROCESS_PREFIXES = tuple(
    f"{SHARED_PREFIX}{name}_" for name in ("AUTH", "TENANCY", "REPORTS", "NOTIFICATIONS", "GATEWAY")
)
COMMAND_NAMES = frozenset(
    {
        "TENON_DATABASE_URL",
        "TENON_REDIS_URL",
        "TENON_SMTP_URL",
        "TENON_LAUNCHER_ADMIN_URL",
        "TENON_PYTHON",
        "TENON_INSTALL_WITH",
        "TENON_SEED",
    }
)
"""What the `tenon` command, its installation and the tests read."""


class UnknownSettings(Exception):
    """Environment variables that start with TENON_ and that nothing reads."""


def require_known(
    environment: Mapping[str, str], settings: Iterable[type[ProcessSettings]]
) -> None:
    """Raise UnknownSettings for names that neither these classes nor other processes read.

    An environment that several processes share is normal: names with the prefix of a process whose
    class is not given are left to that process.
    """
    classes = list(settings)
    known = {*COMMAND_NAMES, *(name for one in classes for name in names_of(one))}
    own = tuple(prefix_of(one) for one in classes)
    others = tuple(prefix for prefix in PROCESS_PREFIXES if prefix not in own)
    unknown = [
        name
        for name in sorted(environment)
        if name.upper().startswith(SHARED_PREFIX)
        and name.upper() not in known
        and not name.upper().startswith(others)
    ]
    if unknown:
        raise UnknownSettings(" ".join(_refusal(name, known) for name in unknown))


def names_of(settings: type[ProcessSettings]) -> Iterator[str]:
    """Yield the environment variables that a class reads."""
    for field in settings.model_fields:
        prefix = SHARED_PREFIX if field in SHARED_FIELDS else prefix_of(settings)
        yield f"{prefix}{field.upper()}"


def prefix_of(settings: type[ProcessSettings]) -> str:
    return str(settings.model_config.get("env_prefix") or "")


def _refusal(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name.upper(), known, n=1, cutoff=0.5)
    if nearest:
        return f"{name} is not a setting. Did you mean {nearest[0]}?"
    return f"{name} is not a setting. Unset it, or see the READMEs of the services for all names."
