"""What can go wrong."""

from typing import Any

from .protocol.constants import Status


class ConfdError(Exception):
    """Every error of this package."""


class DatagramError(ConfdError, ValueError):
    """A datagram that is not a signed message, or not the reply to the request."""


class TooLargeError(ConfdError, ValueError):
    """A message that does not fit into a datagram."""


class NoReplyError(ConfdError, TimeoutError):
    """No server replied in time."""


class AnswerError(ConfdError, ValueError):
    """An answer that does not have the form of an answer to the question."""


class StatusError(ConfdError):
    """The reply was an error. Its answer is an error text or an error code."""

    def __init__(self, status: Status, answer: Any, serial: int) -> None:
        super().__init__(f"{status.name}: {answer!r:.300}")
        self.status = status
        self.answer = answer
        self.serial = serial
