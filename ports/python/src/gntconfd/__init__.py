"""Asks ganeti-confd about a Ganeti cluster.

Client blocks, AsyncClient is for asyncio. The questions module has what they can ask, the
protocol package the types of the answers, all made from the specification of the protocol.
"""

from . import questions
from .client import Answer, AsyncClient, Client
from .errors import AnswerError, ConfdError, DatagramError, NoReplyError, StatusError, TooLargeError
from .questions import Question

__all__ = [
    "Answer",
    "AnswerError",
    "AsyncClient",
    "Client",
    "ConfdError",
    "DatagramError",
    "NoReplyError",
    "Question",
    "StatusError",
    "TooLargeError",
    "questions",
]
