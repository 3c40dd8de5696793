// Says where the readers differ from a judge: of each line of the standard input, an object with
// ref, value and valid, whether the value meets the schema at ref.

import { createInterface } from "node:readline";

import { check, InvalidError } from "gntconfd/protocol/check";

let count = 0;
const different = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { ref, value, valid } = JSON.parse(line);
  count++;
  let reason = "";
  try {
    check(ref, value);
  } catch (err) {
    if (!(err instanceof InvalidError)) throw err;
    reason = err.message;
  }
  if (valid === (reason !== "")) different.push(`${line} ${reason}`);
}
console.log(count, "read");
if (different.length > 0) console.log(different.join("\n"));
