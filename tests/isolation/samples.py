"""A request for each RPC that its owner may send, and what its texts name.

Ids are filled in by their fields' names. A new RPC that needs more than ids, and a new kind of
id, say so here; until then the tests fail and name them.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import uuid4

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from tenon_policy.checks import faults
from tenon_testing.callers import PASSWORD
from tests.isolation.contract import NOBODY, Path, Rpc, holds, names_something, put, texts

NEW = "$new"
"""Stands for something that nobody used before, alone or within a text."""

COUNT = {"dataset_id": "", "metrics": [{"name": "n", "op": "OP_COUNT"}], "dimensions": ["who"]}
WHO = {"field": "who", "op": "OP_EQ", "value": "ada"}

SAMPLES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "ApiKeyService.CreateApiKey": [{"name": NEW, "role": "ROLE_VIEWER"}],
    "DatasetService.CreateDataset": [{"name": NEW, "dimensions": ["who"]}],
    "DatasetService.UpdateDataset": [{"name": NEW, "update_mask": "name"}],
    "EventService.IngestEvents": [
        {"events": [{"id": "", "time": "2026-01-01T00:00:00Z", "dimensions": {"who": "ada"}}]}
    ],
    "QueryService.RunQuery": [{"query": {**COUNT, "filters": [WHO]}}],
    "RunService.StartRun": [
        {"format": "FORMAT_CSV", "events": {"dataset_id": "", "filters": [WHO]}},
        {"format": "FORMAT_CSV", "query": COUNT},
    ],
    "UploadService.CreateUpload": [{"header": {"dataset_id": "", "time_column": "when"}}],
    "AuditExportService.StartAuditExport": [{"format": "FORMAT_JSONL"}],
    "IdentityService.ConnectIdentity": [{"provider": NOBODY}],
    "InvitationService.AcceptInvitation": [{"token": NEW}],
    "InvitationService.CreateInvitation": [{"email": f"{NEW}@example.com", "role": "ROLE_VIEWER"}],
    "AuditStreamService.CreateAuditStream": [{"webhook": {"url": "https://hooks.invalid/"}}],
    "AuditStreamService.UpdateAuditStream": [{"description": NEW, "update_mask": "description"}],
    "MemberService.UpdateMember": [{"role": "ROLE_VIEWER"}],
    "OrganizationService.CreateOrganization": [{"name": NEW}],
    "OrganizationService.UpdateOrganization": [{"name": NEW, "update_mask": "name"}],
    "PolicyService.UpdatePolicies": [{"session_hours": 8, "update_mask": "sessionHours"}],
    "LogInService.ConfirmSession": [{"password": PASSWORD}],
    "PasskeyService.AddPasskey": [{"name": NEW, "passkey": {"type": "public-key"}}],
    "PasskeyService.RenamePasskey": [{"name": NEW}],
    "SecondFactorService.ConfirmTotp": [{"code": "000000"}],
    "EmailChangeService.ConfirmEmailChange": [{"token": NEW}],
    "EmailChangeService.RequestEmailChange": [{"email": f"{NEW}@example.com"}],
    "UserService.VerifyEmail": [{"token": NEW}],
    "UserService.UpdateUser": [{"name": NEW, "update_mask": "name"}],
    "PasswordService.ChangePassword": [
        {"current_password": PASSWORD, "new_password": "another horse and battery"}
    ],
}

ONCE = frozenset(
    {
        "LogInService.ConfirmSession",
        "PasswordService.ChangePassword",
        "SecondFactorService.ConfirmTotp",
    }
)
"""The second of two equal requests means something else, so no two can be compared. These name
nothing but the caller's own secrets."""

KINDS = {
    "org_id": "organization",
    "dataset_id": "dataset",
    "upload_id": "upload",
    "run_id": "run",
    "user_id": "member",
    "invitation_id": "invitation",
    "session_id": "session",
    "identity_id": "identity",
    "key_id": "api key",
    "passkey_id": "passkey",
    "export_id": "export",
    "audit_export_id": "audit export",
    "deletion_id": "deletion",
    "stream_id": "audit stream",
    "events.id": "event",
}


class NoSample(Exception):
    """The contract has grown past what these tests know."""


def kind_of(rpc: Rpc, path: Path) -> str:
    """Return what a text names: for a page token, the list that it is of; NoSample."""
    if path[-1] == "page_token":
        return f"page of {rpc.name}"
    for name in (".".join(path), path[-1]):
        if name in KINDS:
            return KINDS[name]
    raise NoSample(f"{rpc.name}: what does {'.'.join(path)} name? Say so in KINDS of {__file__}")


def samples(rpc: Rpc) -> list[Message]:
    """Return the RPC's requests but for their ids."""
    return [
        ParseDict(_renewed(deepcopy(sample)), rpc.request())
        for sample in SAMPLES.get(rpc.name, [{}])
    ]


def ids_of(rpc: Rpc, sample: Message) -> list[Path]:
    """Return the ids that belong to a request."""
    return [
        path
        for path in texts(rpc.method.input_type)
        if names_something(path) and holds(sample, path)
    ]


def request_of(rpc: Rpc, number: int, names: Mapping[str, str]) -> Message:
    """Return a sample with all its ids, by what they name; a missing page is the first."""
    message = samples(rpc)[number]
    for path in ids_of(rpc, message):
        kind = kind_of(rpc, path)
        if path[-1] != "page_token" or kind in names:
            put(message, path, names[kind])
    return message


def require_complete(rpc: Rpc) -> None:
    """Refuse a contract with an id that no sample holds; NoSample."""
    requests = samples(rpc)
    for path in texts(rpc.method.input_type):
        if not names_something(path):
            continue
        kind_of(rpc, path)
        if not any(holds(request, path) for request in requests):
            raise NoSample(f"{rpc.name}: no sample in {__file__} holds {'.'.join(path)}")
    require_valid(rpc)


def require_valid(rpc: Rpc) -> None:
    """Refuse a sample that the bounds of its fields refuse, whatever its ids are; NoSample."""
    for sample in samples(rpc):
        for path in ids_of(rpc, sample):
            put(sample, path, str(uuid4()))
        if found := faults(sample):
            raise NoSample(f"{rpc.name}: its sample in {__file__} is not valid: {found}")


def _renewed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _renewed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_renewed(item) for item in value]
    return value.replace(NEW, f"new-{uuid4().hex}") if isinstance(value, str) else value
