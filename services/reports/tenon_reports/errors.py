"""Every error of reports."""

from tenon_core.errors import Code, InvalidArgument, LimitError, TenonError


class DatasetNotFound(TenonError):
    """There is no such dataset."""

    code = Code.NOT_FOUND
    reason = "dataset_not_found"


class DatasetNameTaken(TenonError):
    """Another dataset of the organization has this name."""

    code = Code.ALREADY_EXISTS
    reason = "dataset_name_taken"


class ColumnsNotAppended(TenonError):
    """Columns can only be appended: give the present ones first, in their order."""

    code = Code.FAILED_PRECONDITION
    reason = "columns_not_appended"


class TooManyEvents(InvalidArgument):
    """Up to 5,000 events are taken at once. Send the rest in another request."""

    # Raised by its code, which the bounds of `IngestEventsRequest.events` name in the proto.

    reason = "too_many_events"


class UploadNotFound(TenonError):
    """There is no such upload."""

    code = Code.NOT_FOUND
    reason = "upload_not_found"


class UploadTooLarge(LimitError):
    """The file is larger than this installation takes. Split it, or ask the operator."""

    reason = "upload_too_large"
    advice = "Split the file, or ask the operator."


class InvalidQuery(InvalidArgument):
    """Some parts of the query are not valid; `errors` names each."""

    reason = "invalid_query"


class QueryTimeout(TenonError):
    """The query took too long. Narrow its time range, or export it as a run."""

    code = Code.DEADLINE_EXCEEDED
    reason = "query_timeout"


class RunNotFound(TenonError):
    """There is no such run."""

    code = Code.NOT_FOUND
    reason = "run_not_found"


class RunFinished(TenonError):
    """The run has finished already."""

    code = Code.FAILED_PRECONDITION
    reason = "run_finished"


class RunNotFinished(TenonError):
    """The run has no file: it has not succeeded, or not yet."""

    code = Code.FAILED_PRECONDITION
    reason = "run_not_finished"


class FileExpired(TenonError):
    """The run's file has been deleted. Start the run again."""

    code = Code.FAILED_PRECONDITION
    reason = "file_expired"
