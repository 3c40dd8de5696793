// Asks a daemon with the sample cluster every question, and prints each with its answer:
// live.js SERVER KEYFILE

import { readFile } from "node:fs/promises";

import { Client, MasterFieldCode, questions, StatusError } from "gntconfd";
import { stringify } from "gntconfd/json";

const [server, keyFile] = process.argv.slice(2);
const client = new Client({ servers: [server], key: await readFile(keyFile) });

for (const question of [
  questions.ping(),
  questions.nodeRole("node1.example.org"),
  questions.nodeRole("nobody"),
  questions.nodeIP("203.0.113.10"),
  questions.nodeIP("198.51.100.5", "br1"),
  questions.nodeIP("203.0.113.99"),
  questions.locate(["203.0.113.10", "2001:db8:1::25", "203.0.113.99"], "br0"),
  questions.master(),
  questions.masterFields(MasterFieldCode.MasterNodePIP, MasterFieldCode.Name, MasterFieldCode.IP),
  questions.nodeIPs(),
  questions.candidateIPs(),
  questions.instanceIPs(),
  questions.instanceIPs("br1"),
  questions.nodeDRBD("node3"),
  questions.nodeInstances("node2.example.org"),
  questions.instanceDisks("www1.example.org"),
  questions.configValue("/cluster"),
  questions.configValue("/nowhere"),
  questions.collectors(),
]) {
  const { type, query } = question;
  try {
    const { value: answer, serial } = await client.ask(question);
    console.log(stringify({ type, query, status: 0, answer, serial }));
  } catch (err) {
    if (!(err instanceof StatusError)) throw err;
    const { status, answer, serial } = err;
    console.log(stringify({ type, query, status, answer, serial }));
  }
}
