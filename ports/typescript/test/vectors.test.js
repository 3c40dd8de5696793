// Holds this package against the vectors of the specification.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

import { AnswerError, DatagramError, questions, TooLargeError } from "gntconfd";
import { seal, sign, unseal, unsealReply, verify } from "gntconfd/datagram";
import { parse, stringify } from "gntconfd/json";
import { convert } from "gntconfd/protocol/canonical";
import { check } from "gntconfd/protocol/check";
import { MaxDatagramSize, RequestType } from "gntconfd/protocol/constants";
import * as rules from "gntconfd/protocol/rules";
import { answerNames, classicAnswerNames } from "gntconfd/protocol/tables";

const folder = process.env.CONFD_VECTORS ?? new URL("../../../spec/vectors", import.meta.url).pathname;
const load = (path) => parse(readFileSync(`${folder}/${path}`, "utf8")).vectors;

test("signing", () => {
  for (const vector of load("signing.json")) {
    const { id, salt, msg, hmac } = vector;
    const key = Buffer.from(vector.key, "base64");
    const datagram = Buffer.from(vector.datagram, "base64");
    const valid = vector.result === "valid";
    assert.equal(verify(key, salt, msg, hmac), valid, id);
    if (!valid) {
      assert.throws(() => unseal(key, datagram), DatagramError, id);
      continue;
    }
    assert.equal(sign(key, salt, msg), hmac.toLowerCase(), id);
    for (const sealed of [datagram, seal(key, salt, msg)]) {
      const envelope = unseal(key, sealed);
      assert.deepEqual([envelope.salt, envelope.msg], [salt, msg], id);
    }
  }
});

test("replies", () => {
  const key = readFileSync(`${folder}/hmac.key`);
  let count = 0;
  for (const file of readdirSync(`${folder}/3.0`)) {
    for (const vector of load(`3.0/${file}`)) {
      if (!vector.reply) continue;
      const { salt, ...reply } = vector.reply;
      const { status, answer, serial } = unsealReply(key, seal(key, salt, stringify(reply)), salt);
      assert.equal(stringify({ protocol: 1, status, answer, serial }), stringify(reply), vector.id);
      if (vector.deviation === "lenient-config") continue; // Ganeti does not load these configurations; the schemas say what it writes
      const name = answerNames[Number(request(vector).type)];
      check(`answers.json#/definitions/${name}/properties/${status === 0 ? "ok" : "error"}`, answer);
      count++;
    }
  }
  assert.ok(count > 1000, `${count} replies`);
});

test("replies of Ganeti 2.6", () => {
  let count = 0;
  for (const file of readdirSync(`${folder}/2.6`)) {
    for (const vector of load(`2.6/${file}`)) {
      if (!vector.reply || vector.reply.status === 2) continue;
      const name = classicAnswerNames[Number(request(vector).type)];
      check(`classic-answers.json#/definitions/${name}/properties/${vector.reply.status === 0 ? "ok" : "error"}`, vector.reply.answer ?? null);
      count++;
    }
  }
  assert.ok(count > 200, `${count} replies`);
});

test("outcomes", () => {
  let count = 0;
  for (const file of readdirSync(`${folder}/3.0`)) {
    for (const vector of load(`3.0/${file}`)) {
      if (!vector.reply || !["rich", "small", "odd"].includes(vector.config)) continue;
      const { type, query } = request(vector);
      const kind = query === null || query === undefined ? "none" : typeof query === "string" ? "text" : "object";
      const { outcome } = rules.requests.requests[Math.abs(Number(type))]["3.0"].queries[kind];
      assert.ok(outcome === "answer" || vector.reply.status === 1, vector.id);
      if (outcome !== "answer") count++;
    }
  }
  assert.ok(count > 40, `${count} errors`);
});

test("conversions", () => {
  let count = 0;
  for (const { form, examples } of parse(readFileSync(`${folder}/../conversions.json`, "utf8")).forms) {
    for (const { input, output } of examples) {
      assert.equal(convert(form, input), output, `${form}: ${input}`);
      count++;
    }
  }
  assert.ok(count > 100, `${count} conversions`);
});

test("error texts", () => {
  let count = 0;
  for (const vector of [...load("3.0/error-texts.json"), ...load("3.0/names.json")]) {
    const answer = vector.reply?.answer;
    if (vector.outcome !== "answered_error" || typeof answer !== "string") continue;
    assert.ok([...errorTexts(request(vector).query)].includes(answer), `${vector.id}: ${answer}`);
    count++;
  }
  assert.ok(count > 40, `${count} texts`);
});

// errorTexts yields the error texts that a query may get while there is a configuration.
function* errorTexts(query) {
  yield rules.textEmptyQuery;
  yield rules.textLinkQuery;
  if (typeof query === "object" && query !== null) {
    yield rules.textObjectQuery(query[1], query[2] ?? [], query[0], (query[3] ?? []).map(Number));
  }
  if (typeof query !== "string") return;
  for (const node of [rules.textNodeNotFound(query), rules.textNodeAmbiguous(query)]) {
    yield rules.textFailure(node);
    yield rules.textPrerequisite(node);
    yield rules.textNoNode(rules.textPrerequisite(node));
  }
  for (const instance of [rules.textInstanceNotFound(query), rules.textInstanceAmbiguous(query)]) {
    yield rules.textNoInstance(rules.textPrerequisite(instance));
  }
}

// request returns the request of a vector, in whichever form it has it.
function request(vector) {
  const found = vector.request ?? vector.request_text ?? vector.datagram.inner;
  return typeof found === "string" ? parse(found) : found;
}

test("every type of request has an answer", () => {
  assert.deepEqual(Object.values(RequestType), [...answerNames.keys()]);
});

test("too large", () => {
  const key = Buffer.from("k");
  const rest = seal(key, "", "").length;
  assert.equal(seal(key, "", "x".repeat(MaxDatagramSize - rest)).length, MaxDatagramSize);
  assert.throws(() => seal(key, "", "x".repeat(MaxDatagramSize - rest + 1)), TooLargeError);
  assert.throws(() => unseal(key, Buffer.from("plj0" + " ".repeat(MaxDatagramSize))), DatagramError);
});

test("invalid answers", () => {
  for (const [question, answer] of [
    [questions.ping(), "ok"],
    [questions.ping(), true],
    [questions.ping(), 2n ** 63n],
    [questions.nodeRole("x"), 5],
    [questions.nodeIP("192.0.2.1"), []],
    [questions.locate(["192.0.2.1"]), "192.0.2.1"],
    [questions.locate(["192.0.2.1"]), [[0, "192.0.2.1"]]],
    [questions.instanceIPs(), ["a", "a"]],
    [questions.nodeDRBD("x"), [["a", 0, "b", "disk/0", "tertiary", "c"]]],
    [questions.instanceDisks("x"), [{ uuid: "u", serial_no: 1 }]],
    [questions.collectors(), {}],
  ]) {
    assert.throws(() => question.decode(answer), AnswerError, `type ${question.type}, ${stringify(answer)}`);
  }
});

test("JSON keeps all digits and escapes", () => {
  for (const text of [
    "[9007199254740993,-9223372036854775808,0.1,9007199254740991]",
    '{"12345678901234567":"12345678901234567","a\\"":"\\\\","\\u00e9":"\\ud83d\\ude00"}',
  ]) {
    assert.equal(stringify(parse(text)), text);
  }
  assert.throws(() => parse("[12345678901234567,]"), SyntaxError);
});
