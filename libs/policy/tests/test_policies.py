import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from tenon.auth.v1 import session_service_pb2
from tenon.options.v1 import options_pb2
from tenon.reports.v1 import run_service_pb2
from tenon_policy.policies import Access, BadPolicy, MissingPolicy, Role, load_policies


def service_with(policy: options_pb2.Policy | None) -> ServiceDescriptor:
    """Build a service of one method `Go`, whose request has no fields, with this policy."""
    file = descriptor_pb2.FileDescriptorProto(name="made_up.proto", package="made.up")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="MadeUpService").method.add(
        name="Go", input_type=".made.up.Nothing", output_type=".made.up.Nothing"
    )
    if policy is not None:
        method.options.Extensions[options_pb2.policy].CopyFrom(policy)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    service: ServiceDescriptor = pool.FindServiceByName("made.up.MadeUpService")
    return service


def test_reads_what_a_method_says() -> None:
    services = run_service_pb2.DESCRIPTOR.services_by_name.values()
    policy = load_policies(services)["/tenon.reports.v1.RunService/StartRun"]
    assert policy.access is Access.ORG
    assert policy.min_role is Role.MEMBER
    assert policy.permission == "reports.runs.start"
    assert policy.writes


def test_audit_none_is_no_action() -> None:
    services = session_service_pb2.DESCRIPTOR.services_by_name.values()
    assert load_policies(services)["/tenon.auth.v1.SessionService/GetSession"].audit is None


def test_a_method_without_a_policy_is_named() -> None:
    with pytest.raises(MissingPolicy, match=r"made\.up\.MadeUpService\.Go has no policy"):
        load_policies([service_with(None)])


COMPLETE = {
    "access": options_pb2.ACCESS_PUBLIC,
    "audit": "NONE",
    "idempotency": options_pb2.IDEMPOTENCY_SAFE,
}


def test_a_complete_policy_is_accepted() -> None:
    assert load_policies([service_with(options_pb2.Policy(**COMPLETE))])  # type: ignore[arg-type] # fields of several types


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"access": 0}, "lacks access"),
        ({"audit": ""}, "lacks audit"),
        ({"idempotency": 0}, "lacks idempotency"),
        ({"access": options_pb2.ACCESS_SERVICE}, "lacks peers"),
        ({"access": options_pb2.ACCESS_USER, "public_seconds": 1}, "lacks access PUBLIC"),
        ({"idempotency": options_pb2.IDEMPOTENCY_NONE, "public_seconds": 1}, "lacks .*SAFE"),
        ({"access": options_pb2.ACCESS_ORG}, "lacks permission.*min_role.*org_id"),
        ({"recent_auth": True}, "lacks access USER or ORG"),
        ({"people_only": True}, "lacks access ORG, since it says people_only"),
    ],
)
def test_an_incomplete_policy_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadPolicy, match=complaint):
        load_policies([service_with(options_pb2.Policy(**{**COMPLETE, **change}))])  # type: ignore[arg-type] # fields of several types
