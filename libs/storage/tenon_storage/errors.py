"""What goes wrong with files."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from tenon_core.errors import Code, StorageFull, TenonError


class ObjectNotFound(TenonError):
    """There is no such file."""

    code = Code.NOT_FOUND
    reason = "object_not_found"


class StorageUnavailable(TenonError):
    """The file storage does not answer. Try again later."""

    code = Code.UNAVAILABLE
    reason = "storage_unavailable"


class PartsLost(Exception):
    """Parts of an object are gone, changed, or being written by somebody else: begin anew."""


class LinkRefused(TenonError):
    """This link is not valid or has expired. Ask for a new one."""

    code = Code.NOT_FOUND
    reason = "link_refused"


MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
PARTS_MISSING = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder"})

FULL = frozenset({"XMinioStorageFull", "InsufficientStorage", "507"})
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def told() -> Iterator[None]:
    """Turn what a driver raises into our own errors; the cause stays attached for the logs."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFound from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in MISSING:
            raise ObjectNotFound from error
        if code in PARTS_MISSING:
            raise PartsLost from error
        raise (StorageFull if code in FULL else StorageUnavailable) from error
    except OSError as error:
        raise (StorageFull if error.errno in NO_SPACE else StorageUnavailable) from error
    except BotoCoreError as error:
        raise StorageUnavailable from error
