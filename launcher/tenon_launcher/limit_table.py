"""The table of limits for the docs, from the definitions next to the code that enforces them."""

from importlib import import_module

from pydantic_settings import BaseSettings

from tenon_core.limits import LIMITS, Limit
from tenon_core.settings import ServiceSettings
from tenon_gateway.problems import http_status
from tenon_launcher.errors import LauncherError

MODULES = (
    "tenon_auth.limits",
    "tenon_db.shares",
    "tenon_gateway.pipeline.budgets",
    "tenon_notifications.limits",
    "tenon_reports.limits",
    "tenon_tenancy.limits",
)
"""Where limits are defined. They import the services' settings, too."""
EVERY_SERVICE = "TENON_<SERVICE>_"
HEAD = """# Limits

Generated from the definitions of the limits by `tenon routes`; do not edit.

A shared resource is divided by organization and by *account*. The account of an organization is
its longest-standing owner: an account's organizations share the account's limits, so creating
more organizations gives nobody a larger share ([decision 42](decisions/0042-fair-shares.md)).

A refused request gets a problem document with the status and code below, and the name of the
limit as `limit`. Replies with status 429 have `Retry-After`. `tenon_limit_refusals_total{limit}`
counts refusals, `tenon_limit_in_use{limit}` shows how much of a limit per process is in use.

| Limit | What it limits | Per | Default | Setting | Reply |
| --- | --- | --- | --- | --- | --- |
"""


def limit_table() -> str:
    """Return the page: one line for each limit."""
    for module in MODULES:
        import_module(module)
    return HEAD + "".join(f"{_row(limit)}\n" for _, limit in sorted(LIMITS.items()))


def _row(limit: Limit) -> str:
    status = http_status(limit.error.code, limit.error.reason)
    setting = f"`{limit.setting}`" if limit.setting else "fixed"
    default = limit.default or _default_of(limit)
    reply = "none: it waits" if limit.delays else f"{status} `{limit.error.reason}`"
    cells = (f"`{limit.name}`", limit.what, str(limit.per), default, setting, reply)
    return f"| {' | '.join(cells)} |"


def _default_of(limit: Limit) -> str:
    """Return the default of a limit's setting; LauncherError if there is no such setting."""
    for settings in _settings_classes(BaseSettings):
        prefix = settings.model_config.get("env_prefix") or ""
        if settings is ServiceSettings:
            prefix = EVERY_SERVICE
        name = limit.setting.removeprefix(prefix).lower()
        if prefix and limit.setting.startswith(prefix) and name in settings.model_fields:
            return f"{settings.model_fields[name].default:,}"
    raise LauncherError(f"the limit {limit.name} names the setting {limit.setting}: unknown")


def _settings_classes(parent: type[BaseSettings]) -> list[type[BaseSettings]]:
    children = parent.__subclasses__()
    return [*children, *(each for child in children for each in _settings_classes(child))]
