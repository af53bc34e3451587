"""`python -m tenon_launcher.preflight DATA_DIR`: tests settings and secrets before a start.

In a process of its own, so that what it imports does not stay in the launcher's memory.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tenon_core.shared_settings import SHARED_PREFIX
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.plan import SAYS_WHAT_TO_DO
from tenon_launcher.secret_files import secret_problems


def problems(data: DataDirectory, environment: Mapping[str, str]) -> Iterator[str]:
    yield from unknown_settings(environment)
    for problem in secret_problems(data):
        yield f"{problem.text}. {problem.advice}"


def unknown_settings(environment: Mapping[str, str]) -> Iterator[str]:
    if not any(name.upper().startswith(SHARED_PREFIX) for name in environment):
        return
    from tenon_core.setting_names import UnknownSettings
    from tenon_launcher.setting_names import require_settings  # it imports all services

    try:
        require_settings(environment)
    except UnknownSettings as error:
        yield str(error)


def main() -> None:
    found = list(problems(DataDirectory(Path(sys.argv[1])), os.environ))
    print("\n".join(found))
    sys.exit(SAYS_WHAT_TO_DO if found else 0)


if __name__ == "__main__":
    main()
