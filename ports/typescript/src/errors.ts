/** What can go wrong. */

import type { Json, Numeric } from "./protocol/check.js";
import type { Status } from "./protocol/constants.js";

/** Every error of this package. */
export class ConfdError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A datagram that is not a signed message, or not the reply to the request. */
export class DatagramError extends ConfdError {}

/** A message that does not fit into a datagram. */
export class TooLargeError extends ConfdError {}

/** No server replied in time. */
export class NoReplyError extends ConfdError {}

/** An answer that does not have the form of an answer to the question. */
export class AnswerError extends ConfdError {}

/** The reply was an error. Its answer is an error text or an error code. */
export class StatusError extends ConfdError {
  constructor(
    readonly status: Status,
    readonly answer: Json,
    readonly serial: Numeric,
  ) {
    super(`status ${status}: ${String(answer).slice(0, 300)}`);
  }
}
