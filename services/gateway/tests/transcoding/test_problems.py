import json

import grpc
import pytest
from google.rpc.status_pb2 import Status

from tenon_core.errors import (
    Code,
    FieldError,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    Overloaded,
    QuotaExceeded,
    TenonError,
    Unauthenticated,
    Unavailable,
)
from tenon_gateway.errors import MethodNotAllowed
from tenon_gateway.problems import http_status, problem_of
from tenon_rpc.status import DETAILS_KEY, PeerError, packed, unpacked


def _rpc_error(status: Status) -> grpc.aio.AioRpcError:
    details = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), details, status.message
    )


def test_a_problem_says_what_why_and_where_to_read_on() -> None:
    problem = problem_of(NotFound(), "r1")
    assert problem.status == 404
    assert problem.headers["content-type"] == "application/problem+json"
    assert json.loads(problem.body) == {
        "type": "urn:tenon:error:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such thing here, or it is not yours to see.",
        "code": "not_found",
        "request_id": "r1",
    }


def test_validation_names_the_fields() -> None:
    problem = problem_of(InvalidArgument(fields=[FieldError("/name", "is too long")]), "r1")
    assert problem.status == 422
    assert json.loads(problem.body)["errors"] == [{"pointer": "/name", "message": "is too long"}]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.INVALID_ARGUMENT, 400),
        (Code.UNAUTHENTICATED, 401),
        (Code.PERMISSION_DENIED, 403),
        (Code.NOT_FOUND, 404),
        (Code.ALREADY_EXISTS, 409),
        (Code.ABORTED, 409),
        (Code.FAILED_PRECONDITION, 409),
        (Code.RESOURCE_EXHAUSTED, 429),
        (Code.UNIMPLEMENTED, 501),
        (Code.UNAVAILABLE, 503),
        (Code.DEADLINE_EXCEEDED, 504),
    ],
)
def test_a_service_s_code_becomes_a_status(code: Code, status: int) -> None:
    problem = problem_of(PeerError(code, "some_reason", "Why."), "r1")
    body = json.loads(problem.body)
    assert (problem.status, body["code"], body["detail"]) == (status, "some_reason", "Why.")


def test_every_code_has_a_status() -> None:
    assert all(400 <= http_status(code, "reason") < 600 for code in Code)


def test_too_large_is_413() -> None:
    problem = problem_of(PeerError(Code.RESOURCE_EXHAUSTED, "upload_too_large", "Why."), "r1")
    assert problem.status == 413
    assert "retry-after" not in problem.headers


def test_a_limit_is_429_and_named_through_a_service() -> None:
    sent = packed(LimitExceeded("Why.", retry_after=3, limit="queries_per_account"))
    problem = problem_of(unpacked(_rpc_error(sent)), "r1")
    assert (problem.status, problem.headers["retry-after"]) == (429, "3")
    assert json.loads(problem.body)["limit"] == "queries_per_account"


def test_a_quota_is_413_and_named() -> None:
    problem = problem_of(QuotaExceeded("Why.", limit="storage_per_account"), "r1")
    body = json.loads(problem.body)
    assert problem.status == 413
    assert (body["code"], body["limit"]) == ("quota_exceeded", "storage_per_account")
    assert "retry-after" not in problem.headers


def test_other_problems_name_no_limit() -> None:
    assert "limit" not in json.loads(problem_of(NotFound(), "r1").body)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Overloaded(retry_after=2.1), "3"),
        (Overloaded(), "1"),
        (Unavailable(retry_after=0.2), "1"),
    ],
)
def test_retry_after_is_in_whole_seconds(error: TenonError, seconds: str) -> None:
    assert problem_of(error, "r1").headers["retry-after"] == seconds


def test_a_missing_log_in_names_the_scheme() -> None:
    assert problem_of(Unauthenticated(), "r1").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("password=secret"),
        TenonError("table secret is missing"),
        PeerError(Code.INTERNAL, "internal", "secret"),
    ],
)
def test_what_was_not_foreseen_tells_nothing(error: Exception) -> None:
    problem = problem_of(error, "r1")
    assert problem.status == 500
    assert json.loads(problem.body)["code"] == "internal"
    assert b"secret" not in problem.body


def test_a_refusal_keeps_its_status_and_headers() -> None:
    problem = problem_of(MethodNotAllowed("Use GET.", headers={"allow": "GET"}), "r1")
    assert (problem.status, problem.headers["allow"]) == (405, "GET")
    assert json.loads(problem.body)["detail"] == "Use GET."
