"""The operator commands of the services: what each must print and do."""

import json
from collections.abc import Callable, Mapping

import httpx
import psycopg

from tenon_embedded.postgres import PostgresServer
from tenon_testing.callers import PASSWORD
from tenon_testing.waiting import wait_until
from tests.commands.live import Live

ANOTHER_PASSWORD = "a pony in the window"  # of a test account


def audit_keys(live: Live) -> None:
    published = httpx.get(f"{live.url}/.well-known/audit-keys.json").json()
    assert json.loads(live.output("audit", "keys")) == published
    assert published["keys"]


def audit_export(live: Live) -> None:
    log, checkpoints = live.data / "log.jsonl", live.data / "checkpoints.jsonl"
    keys = live.data / "keys.json"
    keys.write_text(live.output("audit", "keys"))
    org = ("--org", live.org_id)
    live.output("audit", "export", *org, "--to", str(log), "--checkpoints", str(checkpoints))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert "tenancy.organizations.create" in {line["action"] for line in lines}
    files = ("--export", log, "--checkpoints", checkpoints, "--key", keys)
    assert f"1 logs, {len(lines)} lines: whole" in live.output("audit", "verify", *map(str, files))


def audit_verify(live: Live) -> None:
    reports = {report["owner"]: report for report in live.json("audit", "verify")}
    assert {f"orgs/{live.org_id}", f"users/{live.user_id}"} <= reports.keys()
    assert not [report for report in reports.values() if report["findings"]]
    assert f"{len(reports)} logs, " in live.output("audit", "verify")
    with administrator(live) as database:
        edit = "UPDATE tenancy.audit_events SET actor = %s WHERE org_id = %s AND position = 1"
        (before,) = database.execute(
            "SELECT actor FROM tenancy.audit_events WHERE org_id = %s AND position = 1",
            [live.org_id],
        ).fetchone() or ("",)
        database.execute(edit, ["users/forged", live.org_id])
        broken = live.tenon("audit", "verify", "--org", live.org_id)
        database.execute(edit, [before, live.org_id])
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout
    assert "  line 1: " in broken.stdout


def administrator(live: Live) -> psycopg.Connection:
    """Connect as the database's superuser, who can edit the logs."""
    state = json.loads((live.data / "run" / "state.json").read_text())
    (port,) = (one["port"] for one in state["processes"] if one["name"] == "postgres")
    return psycopg.connect(
        PostgresServer(live.data / "postgres", port).url("tenon"), autocommit=True
    )


def usage(live: Live) -> None:
    billed = {
        line["org_id"]: line
        for line in map(json.loads, live.output("usage", "--json").splitlines())
    }
    assert billed[live.org_id] == {
        "org_id": live.org_id,
        **live.send("GET", f"/api/orgs/{live.org_id}/usage"),
    }
    assert f"{live.org_id} in {billed[live.org_id]['month']}: 1 members" in live.output("usage")


def scheduled_job(live: Live) -> str:
    """Return the job that deletes an organization in two weeks."""
    org_id = live.send("POST", "/api/orgs", json={"name": "Brief"})["id"]
    live.send("DELETE", f"/api/orgs/{org_id}")
    jobs = live.json("jobs", "list", "--service", "tenancy", "--state", "queued")
    return str(next(job["id"] for job in jobs if "delet" in job["type"]))


def jobs_list(live: Live) -> None:
    job_id = scheduled_job(live)
    assert job_id in live.output("jobs", "list", "--service", "tenancy")
    assert job_id not in live.output("jobs", "list", "--service", "auth")


def jobs_quarantine(live: Live) -> None:
    job_id = scheduled_job(live)
    assert f"{job_id}: quarantined (tenancy)" in live.output("jobs", "quarantine", job_id)
    set_aside = live.json("jobs", "list", "--state", "quarantined")
    assert job_id in {job["id"] for job in set_aside}


def jobs_retry(live: Live) -> None:
    job_id = scheduled_job(live)
    live.output("jobs", "quarantine", job_id)
    assert f"{job_id}: retried (tenancy)" in live.output("jobs", "retry", job_id)


def keys_status(live: Live) -> None:
    assert [key["use"] for key in live.json("keys", "status")] == ["signs"]
    shown = live.output("keys", "status")
    assert {"auth", "tenancy"} <= set(shown.splitlines())
    assert "never rotated" in shown


def keys_rotate(live: Live) -> None:
    refused = live.tenon("keys", "rotate")
    assert refused.returncode == 1
    assert "rotate later" in refused.stderr
    rotated = live.output("keys", "rotate", "--level", "data")
    assert "auth data keys: succeeded" in rotated
    assert "tenancy data keys: succeeded" in rotated


def users_create(live: Live) -> None:
    assert live.log_in(live.new_user(), PASSWORD).status_code == 200


def users_reset_password(live: Live) -> None:
    email = live.new_user()
    live.output("users", "reset-password", email, "--password-stdin", stdin=ANOTHER_PASSWORD)
    assert live.log_in(email, ANOTHER_PASSWORD).status_code == 200
    live.output("users", "reset-password", email)

    def is_mailed() -> bool:
        mails = httpx.get(f"{live.url}/api/dev/mailbox").text
        return email in mails and "/reset-password#" in mails

    wait_until(is_mailed)


def users_end_sessions(live: Live) -> None:
    email = live.new_user()
    with httpx.Client(base_url=live.url, cookies=live.log_in(email, PASSWORD).cookies) as client:
        assert client.get("/api/auth/session").status_code == 200
        live.output("users", "end-sessions", email)
        wait_until(lambda: client.get("/api/auth/session").status_code == 401, within=1.2)


CHECKS: Mapping[str, Callable[[Live], None]] = {
    "audit export": audit_export,
    "audit keys": audit_keys,
    "audit verify": audit_verify,
    "jobs list": jobs_list,
    "jobs quarantine": jobs_quarantine,
    "jobs retry": jobs_retry,
    "keys rotate": keys_rotate,
    "keys status": keys_status,
    "usage": usage,
    "users create": users_create,
    "users end-sessions": users_end_sessions,
    "users reset-password": users_reset_password,
}
