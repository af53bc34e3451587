"""`tenon jobs`, on a system as a user has it."""

import json
from pathlib import Path

from tenon_core.ids import uuid7
from tests.e2e.test_up import tenon, up


def test_an_operator_sees_the_jobs_of_all_services(tmp_path: Path) -> None:
    unknown = str(uuid7())
    with up(tmp_path / "data") as _:
        listed = tenon("jobs", "list", "--json", data_dir=tmp_path / "data")
        assert listed.returncode == 0, listed.stderr
        assert isinstance(json.loads(listed.stdout), list)
        refused = tenon("jobs", "retry", unknown, data_dir=tmp_path / "data")
    assert refused.returncode == 1
    assert (
        f"{unknown}: there is no such job in auth, tenancy, reports, notifications"
        in refused.stderr
    )


def test_it_says_that_nothing_runs(tmp_path: Path) -> None:
    refused = tenon("jobs", "list", data_dir=tmp_path / "nowhere")
    assert refused.returncode == 1
    assert "Nothing runs on" in refused.stderr
