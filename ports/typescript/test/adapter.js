// Lets the conformance suite test this client, as spec/vectors/clients/README.md says.

import { createInterface } from "node:readline";

import { Client, NoReplyError, questions, StatusError, TooLargeError } from "gntconfd";
import { parse, stringify } from "gntconfd/json";

async function ask({ servers, coverage, key, type, query, timeout_ms: timeout }) {
  try {
    const client = new Client({ servers, coverage, key: Buffer.from(key) });
    const { value, serial } = await client.ask(questions.raw(type, query), { timeout });
    return { status: 0, answer: value, serial };
  } catch (err) {
    if (err instanceof StatusError) return { status: err.status, answer: err.answer, serial: err.serial };
    if (err instanceof NoReplyError) return { error: "no-reply" };
    if (err instanceof TooLargeError) return { error: "refused" };
    throw err;
  }
}

console.log('{"features": ["coverage", "ipv6"]}');
for await (const line of createInterface({ input: process.stdin })) {
  const order = parse(line);
  console.log(stringify({ id: order.id, ...(await ask(order)) }));
}
