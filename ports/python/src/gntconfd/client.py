"""Asks several servers at once, and takes the freshest answer."""

import asyncio
import json
import random
import selectors
import socket
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from . import datagram
from .errors import DatagramError, NoReplyError, StatusError
from .protocol.constants import (
    DEFAULT_COVERAGE,
    DEFAULT_PORT,
    EXPIRE_TIMEOUT,
    PROTOCOL_VERSION,
    Status,
)
from .protocol.wire import Request
from .questions import Question

A = TypeVar("A")

# A request is sent again after 0.1 s, then after twice as long as the time before, up to
# this often. That is more than twelve seconds.
_SENDINGS = 8

# Once there is a reply, servers that have left this many sendings unanswered are not waited
# for. That is after 1.5 s.
_PATIENCE = 5


@dataclass(frozen=True)
class Answer(Generic[A]):
    """The freshest answer of those that were received."""

    value: A
    serial: int
    """The serial number of the object asked about; 0 for a ping."""
    server: str
    """The server that said so first."""


class _Opinion(NamedTuple):
    reply: datagram.Reply
    said: str
    """The status and the answer, equal texts for equal ones."""


class _Call(Generic[A]):
    """One question on its way to some servers. It knows no sockets."""

    def __init__(self, key: bytes, question: Question[A], servers: list[str]) -> None:
        self._key = key
        self._question = question
        self._servers = servers
        self._rsalt = str(uuid.uuid4())
        self._replies: dict[int, _Opinion] = {}
        self._sendings = 0
        self._start = time.monotonic()
        request: Request = {
            "protocol": PROTOCOL_VERSION,
            "type": question.type,
            "rsalt": self._rsalt,
            "query": question.query,
        }
        self.datagram = datagram.seal_request(key, request, time.time())

    def receive(self, server: int, data: bytes) -> None:
        """Take note of what a server sent. What is not its reply is ignored."""
        try:
            reply = datagram.unseal_reply(self._key, data, self._rsalt)
            said = f"{reply.status} {json.dumps(reply.answer, sort_keys=True)}"
        except (DatagramError, RecursionError):
            return
        self._replies.setdefault(server, _Opinion(reply, said))

    def unanswered(self) -> list[int]:
        """Return the servers to send the request to now, none if it is not time yet."""
        if time.monotonic() < self._next_sending():
            return []
        self._sendings += 1
        return [i for i in range(len(self._servers)) if i not in self._replies]

    def patience(self, deadline: float) -> float:
        """Return how long to wait for a datagram, in seconds; 0 when the call is over."""
        now = time.monotonic()
        if now >= deadline or self._settled() or self._replies and self._sendings >= _PATIENCE:
            return 0
        return max(min(deadline, self._next_sending()) - now, 0.001)

    def answer(self) -> Answer[A]:
        """Return the freshest answer, or raise what is to be told in its place."""
        if not self._replies:
            raise NoReplyError(f"no reply from {', '.join(self._servers)}")
        server, best = self._best()
        reply = best.reply
        if reply.status != Status.OK:
            raise StatusError(reply.status, reply.answer, reply.serial)
        return Answer(self._question.decode(reply.answer), reply.serial, self._servers[server])

    def _next_sending(self) -> float:
        if self._sendings == _SENDINGS:
            return float("inf")
        return self._start + 0.1 * ((1 << self._sendings) - 1)

    def _settled(self) -> bool:
        if len(self._replies) == len(self._servers):
            return True
        return bool(self._replies) and self._votes(self._best()[1]) > len(self._servers) // 2

    def _best(self) -> tuple[int, _Opinion]:
        """Return the newest answer or, of equally new ones, that with the most votes."""

        def rank(item: tuple[int, _Opinion]) -> tuple[bool, int, int]:
            reply = item[1].reply
            return reply.status == Status.OK, reply.serial, self._votes(item[1])

        return max(self._replies.items(), key=rank)

    def _votes(self, opinion: _Opinion) -> int:
        return sum(other.said == opinion.said for other in self._replies.values())


class _Base:
    def __init__(self, servers: Iterable[str], key: bytes, *, coverage: int = DEFAULT_COVERAGE) -> None:
        """Make a client of servers, each a host, host:port, or [IPv6 address]:port.

        key is all bytes of the cluster's hmac.key, with the newline at its end. Of more than
        coverage servers, each question goes to as many, chosen by chance.
        """
        self._servers = list(servers)
        self._key = key
        self._coverage = coverage
        if not self._servers:
            raise ValueError("no servers to ask")
        if coverage < 1:
            raise ValueError(f"a coverage of {coverage} servers")

    def _begin(self, question: Question[A]) -> tuple[_Call[A], list[str]]:
        chosen = random.sample(self._servers, min(self._coverage, len(self._servers)))
        return _Call(self._key, question, chosen), chosen


class Client(_Base):
    """Asks the servers of a cluster. Threads may share it."""

    def ask(self, question: Question[A], timeout: float = EXPIRE_TIMEOUT) -> Answer[A]:
        """Return the freshest answer that is received within a timeout in seconds.

        It is there as soon as more than half of the servers agree with it, or all have replied.
        The error is NoReplyError, StatusError, AnswerError or TooLargeError.
        """
        deadline = time.monotonic() + timeout
        call, servers = self._begin(question)
        with selectors.DefaultSelector() as selector:
            sockets: dict[int, socket.socket] = {}
            try:
                for i, server in enumerate(servers):
                    if (udp := _connect(server)) is not None:
                        sockets[i] = udp
                        selector.register(udp, selectors.EVENT_READ, i)
                while call.patience(deadline) > 0:
                    for i in call.unanswered():
                        if i in sockets:
                            _try(sockets[i].send, call.datagram)
                    for ready, _ in selector.select(call.patience(deadline)):
                        data = _try(sockets[ready.data].recv, 65536)
                        if data is not None:
                            call.receive(ready.data, data)
            finally:
                for udp in sockets.values():
                    udp.close()
        return call.answer()


def _connect(server: str) -> socket.socket | None:
    """Return a socket of a server alone: what others send does not get in."""
    host, port = _address(server)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        udp = socket.socket(family, kind, protocol)
    except OSError:
        return None
    try:
        udp.setblocking(False)
        udp.connect(address)
    except OSError:
        udp.close()
        return None
    return udp


def _try(function: Any, argument: Any) -> Any:
    """Call a function of a socket. Failures, as of an earlier sending, are no matter: the
    request is sent again."""
    try:
        return function(argument)
    except OSError:
        return None


def _address(server: str) -> tuple[str, int]:
    """Split a server into host and port."""
    host, colon, port = server.rpartition(":")
    if not colon or ":" in host and not host.endswith("]"):
        host, port = server, str(DEFAULT_PORT)
    return host.removeprefix("[").removesuffix("]"), int(port)


class AsyncClient(_Base):
    """Asks the servers of a cluster, for asyncio."""

    async def ask(self, question: Question[A], timeout: float = EXPIRE_TIMEOUT) -> Answer[A]:
        """Do as Client.ask does."""
        deadline = time.monotonic() + timeout
        call, servers = self._begin(question)
        arrived = asyncio.Event()
        opened = await asyncio.gather(*(_open(call, i, server, arrived) for i, server in enumerate(servers)))
        try:
            while call.patience(deadline) > 0:
                for i in call.unanswered():
                    if (transport := opened[i]) is not None:
                        transport.sendto(call.datagram)
                arrived.clear()
                try:
                    await asyncio.wait_for(arrived.wait(), max(call.patience(deadline), 0.001))
                except TimeoutError:
                    pass
        finally:
            for transport in opened:
                if transport is not None:
                    transport.close()
        return call.answer()


async def _open(call: _Call[A], server: int, name: str, arrived: asyncio.Event) -> asyncio.DatagramTransport | None:
    host, port = _address(name)
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Protocol(call, server, arrived), remote_addr=(host, port)
        )
    except OSError:
        return None
    return transport


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, call: _Call[Any], server: int, arrived: asyncio.Event) -> None:
        self._call = call
        self._server = server
        self._arrived = arrived

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._call.receive(self._server, data)
        self._arrived.set()
