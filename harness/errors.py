"""Every failure the harness can name: one class, one exit code, one next step.

Two families. `HarnessError` ends a command before or outside of a measurement.
`MeasurementError` ends one measurement: it becomes a record and a row, and the other
jobs of the same command go on.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Status = Literal["ok", "failed", "unsupported", "skipped"]


class HarnessError(Exception):
    """A failure with its next step.

    Attributes:
        exit_code: the process's exit status when this error ends the command.
        tip: one line that says what to do now; may be empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, tip: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip


class InputError(HarnessError):
    """What was typed, or a file that was handed in, cannot be meant."""

    exit_code = 2


class RegressionError(HarnessError):
    """A comparison found what it was asked to guard against."""

    exit_code = 3


class EnvironmentLacksError(HarnessError):
    """This machine lacks something that the command needs."""

    exit_code = 4


class IndexUnavailableError(EnvironmentLacksError):
    """The package index did not answer usefully: closed, 429, 5xx, stalled, or not an index."""


class NotOnIndexError(HarnessError):
    """The index answers, and does not have the project (HTTP 404)."""

    exit_code = 2


class EngineLostError(EnvironmentLacksError):
    """The container engine stopped answering while it was in use."""


class MeasurementError(HarnessError):
    """One measurement did not reach its figures; `status` and `reason` stand in its row."""

    exit_code = 1
    status: ClassVar[Status] = "failed"

    @property
    def reason(self) -> str:
        return self.message


class UnsupportedError(MeasurementError):
    """Cannot exist for this target: no wheel, for example. Not a defect of the harness."""

    status = "unsupported"


class SkippedError(MeasurementError):
    """Not tried, because this machine lacks what it needs."""

    status = "skipped"
