/** Signs and verifies datagrams. It needs no sockets and no clock. */

import { createHmac, timingSafeEqual } from "node:crypto";

import { DatagramError, TooLargeError } from "./errors.js";
import { parse, stringify } from "./json.js";
import type { Json, Numeric } from "./protocol/check.js";
import { Magic, MaxDatagramSize, ProtocolVersion, type Status } from "./protocol/constants.js";
import { type Envelope, type Request, readEnvelope, readReply } from "./protocol/wire.js";

/** A reply. The answer of one with another status than OK is an error text or code. */
export interface Reply {
  status: Status;
  answer: Json;
  serial: Numeric;
}

/** Returns the signature of a salt and a message: 40 hexadecimal digits. */
export function sign(key: Uint8Array, salt: string, msg: string): string {
  const text = salt + msg;
  if (/\p{Surrogate}/u.test(text)) throw new DatagramError("half a surrogate pair has no UTF-8");
  return createHmac("sha1", key).update(text, "utf8").digest("hex");
}

/** Reports whether a signature, in digits of either case, is that of salt and message. */
export function verify(key: Uint8Array, salt: string, msg: string, signature: string): boolean {
  if (!/^[0-9a-fA-F]{40}$/.test(signature) || /\p{Surrogate}/u.test(salt + msg)) return false;
  return timingSafeEqual(Buffer.from(sign(key, salt, msg)), Buffer.from(signature.toLowerCase()));
}

/** Returns the signed datagram of a message. All of it is ASCII. */
export function seal(key: Uint8Array, salt: string, msg: string): Uint8Array {
  const envelope = stringify({ msg, salt, hmac: sign(key, salt, msg) });
  const datagram = Buffer.from(Magic + envelope, "ascii");
  if (datagram.length > MaxDatagramSize) {
    throw new TooLargeError(`${datagram.length} bytes do not fit into a datagram of ${MaxDatagramSize}`);
  }
  return datagram;
}

/** Returns the envelope of a datagram with a valid signature, or throws DatagramError. */
export function unseal(key: Uint8Array, datagram: Uint8Array): Envelope {
  if (datagram.length > MaxDatagramSize) {
    throw new DatagramError(`${datagram.length} bytes are more than ${MaxDatagramSize}`);
  }
  if (Buffer.from(datagram.subarray(0, Magic.length)).toString("latin1") !== Magic) {
    throw new DatagramError("the magic is missing");
  }
  const envelope = read("an envelope", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return readEnvelope(parse(decoder.decode(datagram.subarray(Magic.length))));
  });
  if (!verify(key, envelope.salt, envelope.msg, envelope.hmac)) throw new DatagramError("the signature is wrong");
  return envelope;
}

/** Returns the datagram of a request. now is the time in milliseconds since 1970. */
export function sealRequest(key: Uint8Array, request: Request, now: number): Uint8Array {
  return seal(key, String(Math.floor(now / 1000)), stringify(request as unknown as Json));
}

/** Returns the reply to the request with an rsalt, or throws DatagramError. */
export function unsealReply(key: Uint8Array, datagram: Uint8Array, rsalt: string): Reply {
  const envelope = unseal(key, datagram);
  if (envelope.salt !== rsalt) throw new DatagramError("the reply to another request");
  const { protocol, status, answer, serial } = read("a reply", () => readReply(parse(envelope.msg)));
  if (Number(protocol) !== ProtocolVersion) throw new DatagramError(`protocol ${protocol}, not ${ProtocolVersion}`);
  return { status, answer, serial };
}

function read<T>(what: string, reader: () => T): T {
  try {
    return reader();
  } catch (err) {
    throw new DatagramError(`not ${what}: ${(err as Error).message}`);
  }
}
