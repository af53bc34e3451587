import json
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from tenon.reports.v1.query_pb2 import GRANULARITY_DAY, Metric
from tenon_core.errors import InvalidArgument
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.mismatch import MAX_FAULTS
from tenon_gateway.transcoding.routes import compile_routes

DECODERS: dict[str, Decoder] = {
    route.rpc.rpartition("/")[2]: Decoder(route) for route in compile_routes(load_services())
}
ORG = {"org_id": "o"}
DATASET = {"org_id": "o", "dataset_id": "d"}


def _decode(
    rpc: str, body: object = b"", query: bytes = b"", params: dict[str, str] | None = None
) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DECODERS[rpc](ORG if params is None else params, query, sent)


def _errors(
    rpc: str, body: object = b"", query: bytes = b"", params: dict[str, str] | None = None
) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as raised:
        _decode(rpc, body, query, params)
    return {fault.pointer: fault.message for fault in raised.value.fields}


class TestPath:
    def test_parameters_fill_their_fields(self) -> None:
        request = _decode("CancelRun", params={"org_id": "o", "run_id": "r"})
        assert (request.org_id, request.run_id) == ("o", "r")

    def test_parameters_may_not_be_in_the_body(self) -> None:
        assert _errors("CreateDataset", {"name": "x", "org_id": "x"}) == {
            "/org_id": "is given by the path"
        }

    def test_nul_is_refused(self) -> None:
        assert _errors("ListRuns", params={"org_id": "a\0"}) == {
            "/org_id": "must not contain NUL characters"
        }


class TestQuery:
    def test_parameters_fill_their_fields(self) -> None:
        request = _decode("ListRuns", query=b"page_size=20&page_token=a%2Bb+c")
        assert (request.page_size, request.page_token) == (20, "a+b c")

    @pytest.mark.parametrize("text", [b"ten", b"1.5", b"true", b"", b"null", b"%22a%22"])
    def test_a_wrong_type_is_named(self, text: bytes) -> None:
        assert _errors("ListRuns", query=b"page_size=" + text) == {
            "/page_size": "must be an integer"
        }

    def test_every_fault_is_named(self) -> None:
        query = b"page_size=99999999999&page_token=a&page_token=b&colour=red"
        assert _errors("ListRuns", query=query) == {
            "/page_size": "must be between -2147483648 and 2147483647",
            "/page_token": "may be given only once",
            "/colour": "is not a known parameter",
        }

    @pytest.mark.parametrize("query", [b"page_token=%FF", b"page_token=\xff"])
    def test_text_that_is_not_utf_8_is_refused(self, query: bytes) -> None:
        assert _errors("ListRuns", query=query) == {"": "the query is not percent-encoded UTF-8"}

    def test_nothing_of_a_body_may_be_in_the_query(self) -> None:
        assert _errors("CreateDataset", {"name": "x"}, b"name=x") == {
            "/name": "is not a known parameter"
        }


class TestBody:
    @pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
    def test_a_request_without_body_takes_an_empty_one(self, body: bytes) -> None:
        assert _decode("ListRuns", body).org_id == "o"

    def test_a_request_without_body_takes_no_other(self) -> None:
        assert _errors("ListRuns", {"a": 1}) == {"": "this request takes no body"}

    def test_an_absent_body_is_an_empty_object(self) -> None:
        assert _errors("CreateDataset") == _errors("CreateDataset", {})

    def test_a_field_can_be_the_body(self) -> None:
        request = _decode("RunQuery", {"dataset_id": "d", "granularity": "day"})
        assert request.org_id == "o"
        assert (request.query.dataset_id, request.query.granularity) == ("d", GRANULARITY_DAY)

    @pytest.mark.parametrize("body", [[], "a", 1, None, True])
    def test_what_is_no_object_is_refused(self, body: object) -> None:
        assert _errors("CreateDataset", body) == {"": "must be an object"}

    @pytest.mark.parametrize(
        "body", [b"{", b"{'a': 1}", b'{"a": NaN}', b'{"name": "\xff"}', b'{"name": "\\ud800"}']
    )
    def test_what_is_no_json_is_refused(self, body: bytes) -> None:
        (message,) = _errors("CreateDataset", body).values()
        assert message.startswith("the body is not valid JSON: ")

    def test_null_leaves_a_field_unset(self) -> None:
        request = _decode("StartRun", {"query": None, "events": {"filters": None}, "format": "csv"})
        assert request.WhichOneof("source") == "events"
        assert not request.events.filters

    def test_null_leaves_a_map_s_entry_out(self) -> None:
        events = [{"dimensions": {"a": None, "b": "x"}, "measures": {"c": None}}]
        (event,) = _decode("IngestEvents", {"events": events}, params=DATASET).events
        assert dict(event.dimensions) == {"b": "x"}
        assert dict(event.measures) == {}

    def test_every_fault_is_named_by_its_place(self) -> None:
        body = {
            "events": [
                {"id": 1, "dimensions": {"a/b~c": 2}, "measures": {"d": "e", "f": True}},
                "event",
                {"id": "x", "when": 0},
            ],
            "colour": "red",
        }
        assert _errors("IngestEvents", body, params=DATASET) == {
            "/events/0/id": "must be a string",
            "/events/0/dimensions/a~1b~0c": "must be a string",
            "/events/0/measures/d": "must be a number",
            "/events/0/measures/f": "must be a number",
            "/events/1": "must be an object",
            "/events/2/when": "is not a known field",
            "/colour": "is not a known field",
        }

    def test_faults_of_path_query_and_body_are_named_together(self) -> None:
        faults = _errors("CreateDataset", {"name": 1}, b"a=b", {"org_id": "\0"})
        assert list(faults) == ["/org_id", "/a", "/name"]

    def test_a_body_of_junk_gets_a_bounded_answer(self) -> None:
        body = {"events": [0] * 1000}
        assert len(_errors("IngestEvents", body, params=DATASET)) == MAX_FAULTS

    def test_a_body_of_unknown_fields_gets_a_bounded_answer(self) -> None:
        assert len(_errors("CreateDataset", {str(n): n for n in range(1000)})) == MAX_FAULTS

    def test_deep_junk_with_nul_is_refused(self) -> None:
        deep = b'{"a":' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}"
        assert _errors("CreateDataset", deep) == {"": "must not be nested deeper than 32 levels"}

    def test_deep_junk_is_refused(self) -> None:
        deep = b'{"name":' + b"[" * 900 + b"]" * 900 + b"}"
        assert _errors("CreateDataset", deep) == {"/name": "must be a string"}

    @pytest.mark.parametrize("name", ["name", "time_zone"])
    def test_nul_is_refused(self, name: str) -> None:
        assert _errors("CreateDataset", {name: "a\0b"}) == {
            f"/{name}": "must not contain NUL characters"
        }

    def test_nul_is_refused_in_a_map_s_key(self) -> None:
        body = {"events": [{"dimensions": {"a\0": "b"}}]}
        assert _errors("IngestEvents", body, params=DATASET) == {
            "/events/0/dimensions": "must not contain NUL characters"
        }

    def test_an_escaped_backslash_is_no_nul(self) -> None:
        assert _decode("CreateDataset", {"name": "\\u0000"}).name == "\\u0000"


class TestValues:
    @pytest.mark.parametrize(
        ("query", "pointer", "message"),
        [
            ({"limit": "1"}, "/limit", "must be an integer"),
            ({"limit": 1.5}, "/limit", "must be an integer"),
            ({"limit": True}, "/limit", "must be an integer"),
            ({"limit": 2**31}, "/limit", "must be between -2147483648 and 2147483647"),
            ({"limit": 1e300}, "/limit", "must be between -2147483648 and 2147483647"),
            ({"exact": 1}, "/exact", "must be true or false"),
            ({"metrics": {}}, "/metrics", "must be a list"),
            ({"metrics": [None]}, "/metrics/0", "must be an object"),
            ({"dimensions": ["a", 1]}, "/dimensions/1", "must be a string"),
            ({"dimensions": [None]}, "/dimensions/0", "must be a string"),
            (
                {"granularity": "GRANULARITY_DAY"},
                "/granularity",
                "must be one of none, hour, day, week, month",
            ),
            (
                {"granularity": 1},
                "/granularity",
                "must be one of none, hour, day, week, month",
            ),
        ],
    )
    def test_a_wrong_one_is_told_what_is_expected(
        self, query: dict[str, object], pointer: str, message: str
    ) -> None:
        assert _errors("RunQuery", query) == {pointer: message}

    def test_an_integral_double_is_an_integer(self) -> None:
        assert _decode("RunQuery", b'{"limit": 5.0}').query.limit == 5

    @pytest.mark.parametrize(("word", "op"), [("p95", Metric.OP_P95), ("sum", Metric.OP_SUM)])
    def test_enums_are_read_from_their_words(self, word: str, op: int) -> None:
        assert _decode("RunQuery", {"metrics": [{"op": word}]}).query.metrics[0].op == op

    @pytest.mark.parametrize(
        ("text", "seconds", "nanos"),
        [
            ("2013-01-01T05:00:00Z", 1_357_016_400, 0),
            ("2013-01-01t00:00:00.5-05:00", 1_357_016_400, 500_000_000),
            ("1969-12-31T23:59:59.123456789Z", -1, 123_456_000),
        ],
    )
    def test_times_have_an_offset(self, text: str, seconds: int, nanos: int) -> None:
        start = _decode("RunQuery", {"time_range": {"start": text}}).query.time_range.start
        assert (start.seconds, start.nanos) == (seconds, nanos)

    @pytest.mark.parametrize(
        "text",
        [
            "2013-01-01T05:00:00",
            "2013-01-01",
            "20130101T050000Z",
            "2013-02-30T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "2013-01-01T05:00:00Z ",
            1_357_016_400,
        ],
    )
    def test_other_times_are_refused(self, text: object) -> None:
        faults = _errors("RunQuery", {"time_range": {"start": text}})
        assert list(faults) == ["/time_range/start"]

    def test_free_form_values_are_taken_as_they_are(self) -> None:
        value = ["a", 1, 2.5, None, True, {"b": []}]
        taken = _decode("RunQuery", {"filters": [{"value": value}]}).query.filters[0].value
        assert isinstance(taken, Value)
        assert [one.WhichOneof("kind") for one in taken.list_value.values] == [
            "string_value",
            "number_value",
            "number_value",
            "null_value",
            "bool_value",
            "struct_value",
        ]

    def test_a_value_may_be_32_levels_deep(self) -> None:
        deep = b'{"filters":[{"value":' + b'{"a":' * 29 + b"1" + b"}" * 29 + b"}]}"
        request = _decode("RunQuery", deep)
        assert type(request).FromString(request.SerializeToString()) == request

    def test_a_deeper_value_is_refused(self) -> None:
        deep = b'{"filters":[{"value":' + b"[" * 30 + b"]" * 30 + b"}]}"
        assert _errors("RunQuery", deep) == {"": "must not be nested deeper than 32 levels"}

    def test_of_a_oneof_only_one_may_be_given(self) -> None:
        assert _errors("StartRun", {"query": {}, "events": {}, "format": "csv"}) == {
            "": "only one of events, query may be given"
        }


class TestUpdateMask:
    def test_it_is_what_the_body_has(self) -> None:
        request = _decode("UpdateDataset", {"name": "x", "measures": None}, params=DATASET)
        assert list(request.update_mask.paths) == ["name", "measures"]

    def test_it_is_never_in_the_body(self) -> None:
        assert _errors("UpdateDataset", {"update_mask": "name"}, params=DATASET) == {
            "/update_mask": "is not a known field"
        }
