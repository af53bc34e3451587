"""`python -m tenon_jobs list | retry | quarantine`, where a service's settings are.

Takes the database of each service from TENON_<SERVICE>_DATABASE_URL, as the service does.
"""

import os
import re
import sys

from tenon_jobs.command import jobs

DATABASE_URL = re.compile(r"TENON_([A-Z]+)_DATABASE_URL")


def main() -> None:
    urls = {
        found[1].lower(): value
        for name, value in sorted(os.environ.items())
        if (found := DATABASE_URL.fullmatch(name))
    }
    if not urls:
        sys.exit("set TENON_<SERVICE>_DATABASE_URL, as the service has it")
    jobs(obj=urls, prog_name="python -m tenon_jobs")


main()
