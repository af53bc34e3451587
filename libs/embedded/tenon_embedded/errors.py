class EmbeddedError(Exception):
    """An embedded server cannot be used; the message says what to do."""


class StartFailed(EmbeddedError):
    """The server ended, or did not answer in time; the message ends with its last log lines."""


class WrongVersion(EmbeddedError):
    """The data was written by another major version of the server."""


class NoAccount(EmbeddedError):
    """Root found no unprivileged user that can reach both the program and its data."""
