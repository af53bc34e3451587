"""The settings of all processes of a system."""

from collections.abc import Mapping

from tenon_auth.settings import AuthSettings
from tenon_core.setting_names import require_known
from tenon_gateway.settings import GatewaySettings
from tenon_notifications.settings import NotificationsSettings
from tenon_reports.settings import ReportsSettings
from tenon_tenancy.settings import TenancySettings

CLASSES = (AuthSettings, TenancySettings, ReportsSettings, NotificationsSettings, GatewaySettings)


def require_settings(environment: Mapping[str, str]) -> None:
    """Raise UnknownSettings for a name that no process of the system reads."""
    require_known(environment, CLASSES)
