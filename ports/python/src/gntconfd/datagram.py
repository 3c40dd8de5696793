"""Signs and verifies datagrams. It needs no sockets and no clock."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from .errors import DatagramError, TooLargeError
from .protocol import check, wire
from .protocol.constants import MAGIC, MAX_DATAGRAM_SIZE, PROTOCOL_VERSION, Status


@dataclass(frozen=True)
class Reply:
    """A reply. The answer of one with another status than OK is an error text or code."""

    status: Status
    answer: Any
    serial: int


def sign(key: bytes, salt: str, msg: str) -> str:
    """Return the signature of a salt and a message: 40 hexadecimal digits."""
    return hmac.new(key, (salt + msg).encode(), hashlib.sha1).hexdigest()


def verify(key: bytes, salt: str, msg: str, signature: str) -> bool:
    """Report whether a signature, in digits of either case, is that of salt and message."""
    try:
        want = sign(key, salt, msg)
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8
        return False
    return hmac.compare_digest(want.encode(), signature.lower().encode(errors="replace"))


def seal(key: bytes, salt: str, msg: str) -> bytes:
    """Return the signed datagram of a message. All of it is ASCII."""
    envelope: wire.Envelope = {"msg": msg, "salt": salt, "hmac": sign(key, salt, msg)}
    datagram = (MAGIC + json.dumps(envelope)).encode()
    if len(datagram) > MAX_DATAGRAM_SIZE:
        raise TooLargeError(f"{len(datagram)} bytes do not fit into a datagram of {MAX_DATAGRAM_SIZE}")
    return datagram


def unseal(key: bytes, datagram: bytes) -> wire.Envelope:
    """Return the envelope of a datagram with a valid signature, or raise DatagramError."""
    if len(datagram) > MAX_DATAGRAM_SIZE:
        raise DatagramError(f"{len(datagram)} bytes are more than {MAX_DATAGRAM_SIZE}")
    if not datagram.startswith(MAGIC.encode()):
        raise DatagramError("the magic is missing")
    try:
        envelope = wire.read_envelope(_parse(datagram[len(MAGIC) :]))
    except (ValueError, RecursionError) as err:
        raise DatagramError(f"not an envelope: {err}") from err
    if not verify(key, envelope["salt"], envelope["msg"], envelope["hmac"]):
        raise DatagramError("the signature is wrong")
    return envelope


def seal_request(key: bytes, request: wire.Request, now: float) -> bytes:
    """Return the datagram of a request. now is the time in seconds since 1970."""
    return seal(key, str(int(now)), json.dumps(request))


def unseal_reply(key: bytes, datagram: bytes, rsalt: str) -> Reply:
    """Return the reply to the request with an rsalt, or raise DatagramError."""
    envelope = unseal(key, datagram)
    if envelope["salt"] != rsalt:
        raise DatagramError("the reply to another request")
    try:
        reply = wire.read_reply(_parse(envelope["msg"].encode()))
    except (ValueError, RecursionError) as err:
        raise DatagramError(f"not a reply: {err}") from err
    if reply["protocol"] != PROTOCOL_VERSION:
        raise DatagramError(f"protocol {reply['protocol']}, not {PROTOCOL_VERSION}")
    return Reply(reply["status"], reply["answer"], reply["serial"])


def _parse(text: bytes) -> object:
    return json.loads(text.decode(), parse_constant=_refuse)


def _refuse(word: str) -> NoReturn:
    raise check.InvalidError("", f"{word} is not JSON")
