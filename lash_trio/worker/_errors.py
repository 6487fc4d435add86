"""What who asks a process for its value gets when there is none."""

from __future__ import annotations

from ..model import (
    EffectError,
    EffectErrorCode,
    JsonValue,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessFailure,
    ProcessSuccess,
)


class ProcessFailedError(EffectError):
    """The process failed.

    Args:
        process_id: which process.
        output: its await output.
    """

    def __init__(self, process_id: str, output: ProcessFailure) -> None:
        super().__init__(
            EffectErrorCode.PROCESS_FAILED,
            f"process {process_id!r} failed ({output.failure_class}, {output.code}): "
            f"{output.message}",
        )
        self.process_id = process_id
        self.output = output

    def __reduce__(self) -> tuple[type[ProcessFailedError], tuple[str, ProcessFailure]]:
        return (type(self), (self.process_id, self.output))


class ProcessCancelledError(EffectError):
    """The process was cancelled.

    Args:
        process_id: which process.
        output: its await output.
    """

    def __init__(self, process_id: str, output: ProcessCancellation) -> None:
        super().__init__(
            EffectErrorCode.PROCESS_CANCELLED,
            f"process {process_id!r} was cancelled: {output.message}",
        )
        self.process_id = process_id
        self.output = output

    def __reduce__(self) -> tuple[type[ProcessCancelledError], tuple[str, ProcessCancellation]]:
        return (type(self), (self.process_id, self.output))


def value_of(process_id: str, output: ProcessAwaitOutput) -> JsonValue:
    """The value of a process that completed.

    Raises:
        ProcessFailedError: it failed.
        ProcessCancelledError: it was cancelled.
    """
    match output:
        case ProcessSuccess(value=value):
            return value
        case ProcessFailure():
            raise ProcessFailedError(process_id, output)
        case ProcessCancellation():
            raise ProcessCancelledError(process_id, output)
        case _:
            raise TypeError(f"unknown await output {output!r}")
