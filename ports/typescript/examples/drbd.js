// Prints the DRBD minors of a node: node drbd.js NODE. Run it on a node of the cluster, as root.

import { readFile } from "node:fs/promises";

import { Client, ConfdError, questions } from "gntconfd";

const state = `${process.env.GANETI_ROOTDIR ?? ""}/var/lib/ganeti`;
const [name] = process.argv.slice(2);
if (!name) {
  console.error("usage: node drbd.js NODE");
  process.exit(2);
}
const client = new Client({
  servers: (await readFile(`${state}/ssconf_master_candidates_ips`, "utf8")).trim().split("\n"),
  key: await readFile(`${state}/hmac.key`),
});
try {
  const { value: minors } = await client.ask(questions.nodeDRBD(name));
  for (const [, minor, instance, disk, role, peer] of minors) {
    console.log(`${minor}`.padStart(5), instance.padEnd(30), disk.padEnd(8), role.padEnd(10), peer);
  }
} catch (err) {
  if (!(err instanceof ConfdError)) throw err;
  console.error(`drbd.js: ${err.message}`);
  process.exit(1);
}
