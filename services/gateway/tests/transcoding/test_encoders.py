import json
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tenon.events.v1.event_feed_service_pb2 import Event
from tenon.reports.v1.event_service_pb2 import Event as DatasetEvent
from tenon.reports.v1.query_pb2 import Filter, Metric, TimeRange
from tenon.reports.v1.query_service_pb2 import RunQueryResponse
from tenon.reports.v1.run_pb2 import Progress, Run
from tenon.reports.v1.run_service_pb2 import GetRunResponse
from tenon.tenancy.v1.member_pb2 import Member
from tenon.tenancy.v1.member_service_pb2 import ListMembersResponse, RemoveMemberResponse
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.encoders import Encoders, to_json
from tenon_gateway.transcoding.free_form import to_list
from tenon_gateway.transcoding.routes import Route, compile_routes

ENCODERS = Encoders()


def _json(message: Any) -> Any:
    return json.loads(to_json(ENCODERS.message(message.DESCRIPTOR)(message)))


def _route(rpc: str) -> Route:
    return next(route for route in compile_routes(load_services()) if route.rpc.endswith(rpc))


def test_zero_values_and_empty_lists_are_present() -> None:
    assert _json(ListMembersResponse()) == {"items": [], "next_page_token": ""}


def test_unset_messages_optionals_and_unspecified_enums_are_null() -> None:
    assert _json(Progress()) == {"phase": None, "rows": 0, "total": None, "eta_seconds": None}
    assert _json(Member())["create_time"] is None


def test_a_set_optional_shows_its_zero() -> None:
    assert _json(Progress(total=0))["total"] == 0


@pytest.mark.parametrize(
    ("message", "field", "word"),
    [
        (Member(role=ROLE_ADMIN), "role", "admin"),
        (Metric(op=Metric.OP_P95), "op", "p95"),
        (Filter(op=Filter.OP_NOT_IN), "op", "not_in"),
        (Run(state=Run.STATE_CANCELLING), "state", "cancelling"),
    ],
)
def test_enums_are_words_without_their_prefix(message: Any, field: str, word: str) -> None:
    assert _json(message)[field] == word


def test_an_enum_value_of_a_newer_service_is_null() -> None:
    run = Run.FromString(b"\x10\x63")  # state = 99
    assert _json(run)["state"] is None


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (1_357_016_400, 0, "2013-01-01T05:00:00Z"),
        (1_357_016_400, 123_456_789, "2013-01-01T05:00:00.123456Z"),
        (0, 0, "1970-01-01T00:00:00Z"),
        (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
        (253_402_300_799, 999_999_000, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(seconds: int, nanos: int, text: str) -> None:
    moment = Timestamp(seconds=seconds, nanos=nanos)
    assert _json(TimeRange(start=moment)) == {"start": text, "end": None}


def test_64_bit_integers_are_numbers() -> None:
    assert _json(Run(size_bytes=2**53 - 1))["size_bytes"] == 2**53 - 1


def test_maps_are_objects() -> None:
    event = DatasetEvent(dimensions={"carrier": "UA"}, measures={"distance": 1400})
    assert _json(event)["dimensions"] == {"carrier": "UA"}
    assert to_json(ENCODERS.message(event.DESCRIPTOR)(event)).endswith(b'{"distance":1400.0}}')


def test_bytes_are_base64() -> None:
    assert _json(Event(payload=b"\xff\x00"))["payload"] == "/wA="


def test_free_form_values_are_plain_and_whole_doubles_are_integers() -> None:
    row = to_list(["UA", 2.0, 2.5, None, True, [1], {"a": -3.0}, 2.0**53])
    totals = Struct()
    totals.update({"flights": 336_776.0})
    encode = ENCODERS.message(RunQueryResponse.DESCRIPTOR)
    body = to_json(encode(RunQueryResponse(rows=[row], totals=totals)))
    assert b'["UA",2,2.5,null,true,[1],{"a":-3},9007199254740992.0]' in body
    assert b'"totals":{"flights":336776}' in body


def test_a_response_body_is_the_bare_resource() -> None:
    encode = ENCODERS.response(_route("GetRun"))
    assert json.loads(encode(GetRunResponse(run=Run(id="r"))))["id"] == "r"


def test_a_list_is_the_response_itself() -> None:
    encode = ENCODERS.response(_route("ListMembers"))
    body = json.loads(encode(ListMembersResponse(items=[Member(user_id="u")])))
    assert [item["user_id"] for item in body["items"]] == ["u"]


def test_no_content_has_no_body() -> None:
    assert ENCODERS.response(_route("RemoveMember"))(RemoveMemberResponse()) == b""


def test_every_reply_in_the_protos_can_be_encoded() -> None:
    for service in load_services():
        for method in service.methods:
            assert callable(ENCODERS.message(method.output_type))


def test_a_type_without_a_form_in_json_is_refused_at_start() -> None:
    with pytest.raises(TypeError, match=r"google\.protobuf\.Any has no form in JSON"):
        Encoders().message(AnyMessage.DESCRIPTOR)
