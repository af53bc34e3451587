class LauncherError(Exception):
    """A command cannot be done; the message says what to do."""


class AlreadyRunning(LauncherError):
    """A system runs on this data directory."""


class StillRunning(LauncherError):
    """What runs on the data directory does not end."""


class UnusablePort(LauncherError):
    """The port that was asked for is taken, or for root alone."""


class UnusableData(LauncherError):
    """The data directory cannot be used."""


class ProcessFailed(LauncherError):
    """A process ended or did not get ready; the message ends with its last log lines."""
