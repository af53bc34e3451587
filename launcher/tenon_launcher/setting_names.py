"""`python -m tenon_launcher.setting_names`: tests the names of the user's settings for `up`.

In a process of its own, so that what it imports does not stay in the launcher's memory.
"""

import os
import sys
from collections.abc import Mapping

from tenon_auth.settings import AuthSettings
from tenon_core.setting_names import UnknownSettings, require_known
from tenon_gateway.settings import GatewaySettings
from tenon_launcher.plan import SAYS_WHAT_TO_DO
from tenon_notifications.settings import NotificationsSettings
from tenon_reports.settings import ReportsSettings
from tenon_tenancy.settings import TenancySettings

CLASSES = (AuthSettings, TenancySettings, ReportsSettings, NotificationsSettings, GatewaySettings)


def require_settings(environment: Mapping[str, str]) -> None:
    """Raise UnknownSettings for a name that no process of the system reads."""
    require_known(environment, CLASSES)


if __name__ == "__main__":
    try:
        require_settings(os.environ)
    except UnknownSettings as error:
        print(error)
        sys.exit(SAYS_WHAT_TO_DO)
