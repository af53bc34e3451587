import json
from pathlib import Path

import pytest

from tenon_launcher import plan
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.plan import PROCESSES, SERVICES, System


@pytest.fixture
def system(tmp_path: Path) -> System:
    data = DataDirectory(tmp_path / "data")
    data.create()
    return System(
        data=data,
        url="http://localhost:8000",
        port=8000,
        admin_url="postgresql://postgres:secret@127.0.0.1:5432/postgres?sslmode=disable",
        redis_url="redis://127.0.0.1:6379/0",
        smtp_url="smtp://127.0.0.1:2525",
        rpc_ports={service: 5000 + number for number, service in enumerate(SERVICES)},
        operations_ports={process: 6000 + number for number, process in enumerate(PROCESSES)},
        environment={"PATH": "/bin"},
        overrides={"TENON_AUTH_LOG_LEVEL": "debug"},
    )


def environments(system: System) -> dict[str, dict[str, str]]:
    programs = [*plan.services(system), *plan.workers(system), plan.gateway(system)]
    return {program.name: dict(program.command.environment) for program in programs}


def test_every_process_knows_every_service(system: System) -> None:
    for process, environment in environments(system).items():
        package = process.removesuffix("-worker").upper()
        assert set(json.loads(environment[f"TENON_{package}_PEERS"])) == set(SERVICES)


def test_a_worker_has_a_certificate_and_operations_port_of_its_own(system: System) -> None:
    found = environments(system)
    service, worker = found["reports"], found["reports-worker"]
    assert worker["TENON_REPORTS_TLS_CERT"].endswith("reports-worker.pem")
    for name in ("TENON_REPORTS_TLS_CERT", "TENON_REPORTS_OPERATIONS_LISTEN"):
        assert service[name] != worker[name]
    assert service["TENON_REPORTS_DATABASE_URL"] == worker["TENON_REPORTS_DATABASE_URL"]


def test_a_service_reaches_the_database_as_its_application_role(system: System) -> None:
    url = environments(system)["tenancy"]["TENON_TENANCY_DATABASE_URL"]
    assert url.startswith("postgresql://tenon_tenancy_app:")
    assert url.endswith("@127.0.0.1:5432/tenon?sslmode=disable")


def test_no_process_has_the_administrators_or_an_owners_password(system: System) -> None:
    for environment in environments(system).values():
        values = " ".join(environment.values())
        assert "secret" not in values.replace(str(system.data.secrets), "")
        assert "_owner" not in values


def test_what_the_user_set_reaches_its_service_alone(system: System) -> None:
    found = environments(system)
    assert found["auth-worker"]["TENON_AUTH_LOG_LEVEL"] == "debug"
    assert not [name for name in found["gateway"] if name.startswith("TENON_AUTH_")]


def test_without_a_mail_sink_the_gateway_shows_no_mailbox(system: System) -> None:
    assert "TENON_GATEWAY_MAILBOX_DIRECTORY" in environments(system)["gateway"]
    external = System(**{**vars(system), "keeps_mail": False})
    assert "TENON_GATEWAY_MAILBOX_DIRECTORY" not in environments(external)["gateway"]
