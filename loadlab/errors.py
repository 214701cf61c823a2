"""What can go wrong, one class per exit code: every message names the thing and the next step."""

from typing import ClassVar


class LabError(Exception):
    """An expected failure: shown as its message alone, without a traceback."""

    exit_code: ClassVar[int]


class UsageError(LabError):
    """The command line or the plan asks for something that cannot be."""

    exit_code = 2


class EnvironmentFaultError(LabError):
    """The machine lacks or refuses what is needed: a port, a database, a program, disk space."""

    exit_code = 3


class GateError(LabError):
    """A gate fails, something is not as it was recorded, or is worse than before: the user asked for this exit code."""

    exit_code = 10


class InconclusiveError(LabError):
    """A verdict or the outcome of a gate was demanded, and the evidence does not carry one."""

    exit_code = 11


class IncompleteError(LabError):
    """The run ended with trials missing; what was measured is on disk."""

    exit_code = 12


class StoppedError(LabError):
    """The user or the system asked the run to stop; what was measured is on disk."""

    exit_code = 130


class TerminatedError(StoppedError):
    """As above, by SIGTERM or SIGHUP."""

    exit_code = 143


BUG_EXIT_CODE = 70
