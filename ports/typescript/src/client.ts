/** Asks several servers at once, and takes the freshest answer. */

import { randomUUID } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";

import { type Reply, sealRequest, unsealReply } from "./datagram.js";
import { DatagramError, NoReplyError, StatusError } from "./errors.js";
import { stringify } from "./json.js";
import type { Numeric } from "./protocol/check.js";
import { DefaultCoverage, DefaultPort, ExpireTimeout, ProtocolVersion, Status } from "./protocol/constants.js";
import type { Question } from "./questions.js";

/**
 * A request is sent again after 0.1 s, then after twice as long as the time before, up to this
 * often. That is more than twelve seconds.
 */
const sendings = 8;

/**
 * Once there is a reply, servers that have left this many sendings unanswered are not waited
 * for. That is after 1.5 s.
 */
const patientSendings = 5;

/** The freshest answer of those that were received. */
export interface Answer<A> {
  value: A;
  /** The serial number of the object asked about; 0 for a ping. */
  serial: Numeric;
  /** The server that said so first. */
  server: string;
}

export interface ClientOptions {
  /** Each a host, host:port, or [IPv6 address]:port. */
  servers: readonly string[];
  /** All bytes of the cluster's hmac.key, with the newline at its end. */
  key: Uint8Array;
  /** How many servers a question goes to; of more, some are chosen by chance. */
  coverage?: number;
}

/** Asks the servers of a cluster. */
export class Client {
  readonly #servers: readonly string[];
  readonly #key: Uint8Array;
  readonly #coverage: number;

  constructor({ servers, key, coverage = DefaultCoverage }: ClientOptions) {
    if (servers.length === 0) throw new RangeError("no servers to ask");
    if (!(coverage >= 1)) throw new RangeError(`a coverage of ${coverage} servers`);
    this.#servers = [...servers];
    this.#key = key;
    this.#coverage = coverage;
  }

  /**
   * Returns the freshest answer that is received within a timeout in milliseconds. It is there
   * as soon as more than half of the servers agree with it, or all have replied. The error is
   * NoReplyError, StatusError, AnswerError or TooLargeError.
   */
  async ask<A>(question: Question<A>, { timeout = ExpireTimeout * 1000 } = {}): Promise<Answer<A>> {
    const deadline = performance.now() + timeout;
    const servers = choose(this.#servers, this.#coverage);
    const call = new Call(this.#key, question, servers);
    let wake = () => {};
    const sockets = await Promise.all(
      servers.map((server, i) =>
        connect(server, (data) => {
          call.receive(i, data);
          wake();
        }),
      ),
    );
    try {
      while (call.patience(deadline) > 0) {
        for (const i of call.unanswered()) sockets[i]?.send(call.datagram, () => {});
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, call.patience(deadline));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      for (const socket of sockets) socket?.close();
    }
    return call.answer();
  }
}

/** A reply, with a text that is equal for those with equal status and answer. */
type Opinion = Reply & { said: string };

/** One question on its way to some servers. It knows no sockets. */
class Call<A> {
  readonly datagram: Uint8Array;
  readonly #key: Uint8Array;
  readonly #question: Question<A>;
  readonly #servers: readonly string[];
  readonly #rsalt = randomUUID();
  readonly #start = performance.now();
  readonly #replies = new Map<number, Opinion>();
  #sendings = 0;

  constructor(key: Uint8Array, question: Question<A>, servers: readonly string[]) {
    this.#key = key;
    this.#question = question;
    this.#servers = servers;
    const { type, query } = question;
    this.datagram = sealRequest(key, { protocol: ProtocolVersion, type, rsalt: this.#rsalt, query }, Date.now());
  }

  /** Takes note of what a server sent. What is not its reply is ignored. */
  receive(server: number, data: Uint8Array): void {
    if (this.#replies.has(server)) return;
    try {
      const reply = unsealReply(this.#key, data, this.#rsalt);
      this.#replies.set(server, { ...reply, said: `${reply.status} ${stringify(reply.answer)}` });
    } catch (err) {
      // The recursion of stringify ends in a RangeError.
      if (!(err instanceof DatagramError || err instanceof RangeError)) throw err;
    }
  }

  /** Returns the servers to send the request to now, none if it is not time yet. */
  unanswered(): number[] {
    if (performance.now() < this.#nextSending()) return [];
    this.#sendings++;
    return [...this.#servers.keys()].filter((i) => !this.#replies.has(i));
  }

  /** Returns how long to wait for a datagram, in milliseconds; 0 when the call is over. */
  patience(deadline: number): number {
    const now = performance.now();
    const impatient = this.#replies.size > 0 && this.#sendings >= patientSendings;
    if (now >= deadline || impatient || this.#settled()) return 0;
    return Math.max(Math.min(deadline, this.#nextSending()) - now, 1);
  }

  /** Returns the freshest answer, or throws what is to be told in its place. */
  answer(): Answer<A> {
    const best = this.#best();
    if (!best) throw new NoReplyError(`no reply from ${this.#servers.join(", ")}`);
    const [server, { status, answer, serial }] = best;
    if (status !== Status.OK) throw new StatusError(status, answer, serial);
    return { value: this.#question.decode(answer), serial, server: this.#servers[server]! };
  }

  #nextSending(): number {
    return this.#sendings < sendings ? this.#start + 100 * (2 ** this.#sendings - 1) : Infinity;
  }

  #settled(): boolean {
    const best = this.#best();
    if (!best) return false;
    return this.#replies.size === this.#servers.length || this.#votes(best[1].said) > this.#servers.length / 2;
  }

  /** Returns the newest answer or, of equally new ones, that with the most votes. */
  #best(): [number, Opinion] | undefined {
    const better = (a: Opinion, b: Opinion) => {
      if ((a.status === Status.OK) !== (b.status === Status.OK)) return a.status === Status.OK;
      return a.serial !== b.serial ? a.serial > b.serial : this.#votes(a.said) > this.#votes(b.said);
    };
    let best: [number, Opinion] | undefined;
    for (const entry of this.#replies) if (!best || better(entry[1], best[1])) best = entry;
    return best;
  }

  #votes(said: string): number {
    return [...this.#replies.values()].filter((other) => other.said === said).length;
  }
}

/** Returns some servers, chosen by chance. */
function choose(servers: readonly string[], count: number): string[] {
  const left = [...servers];
  const chosen: string[] = [];
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  }
  return chosen;
}

/**
 * Returns a socket of a server alone: what others send does not get in. Its failures, as of an
 * earlier sending, are no matter: the request is sent again.
 */
async function connect(server: string, receive: (data: Uint8Array) => void): Promise<Socket | undefined> {
  const [, host, port] = /^\[?(.*?)\]?(?::(\d+))?$/s.exec(isBare(server) ? `[${server}]` : server)!;
  try {
    const { address, family } = await lookup(host!);
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    socket.on("error", () => {});
    socket.on("message", receive);
    return await new Promise((resolve) => {
      socket.connect(Number(port ?? DefaultPort), address, ((err?: Error) => {
        if (err) socket.close();
        resolve(err ? undefined : socket);
      }) as () => void);
    });
  } catch {
    return undefined;
  }
}

/** Reports whether a server is an IPv6 address without brackets, and so without a port. */
function isBare(server: string): boolean {
  return !server.startsWith("[") && server.split(":").length > 2;
}
