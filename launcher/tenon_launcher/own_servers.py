"""`python -m tenon_launcher.own_servers`: tests the servers of the user's URLs for `up`.

In a process of its own, so that what it imports does not stay in the launcher's memory.
"""

import os
import sys

from tenon_launcher.doctor.own_servers import own_servers
from tenon_launcher.plan import SAYS_WHAT_TO_DO


def main() -> None:
    """Print what is not well; exit with SAYS_WHAT_TO_DO if `up` cannot go on."""
    troubled = [finding for finding in own_servers(os.environ) if finding.level != "ok"]
    failed = [finding for finding in troubled if finding.level == "fail"]
    for finding in failed or troubled:
        print(f"The {finding.subject} {finding.text}. {finding.advice}")
    sys.exit(SAYS_WHAT_TO_DO if failed else 0)


if __name__ == "__main__":
    main()
