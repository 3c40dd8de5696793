// Compiles the schemas with ajv in strict mode to a module that needs none of them, and
// validates with it: standalone.mjs SPEC TARGET.cjs CONFIG

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

import Ajv from "ajv";
import standalone from "ajv/dist/standalone/index.js";

const [spec, target, config] = process.argv.slice(2);
const load = (path) => JSON.parse(readFileSync(path, "utf8"));
const { keywords, formats, options } = load(`${spec}/keywords.json`);

const ajv = new Ajv.default({
  strict: true,
  ...options,
  formats: Object.fromEntries(Object.keys(formats).map((name) => [name, true])),
  code: { source: true },
});
ajv.addVocabulary(keywords);
const files = ["wire.json", "config.json", "answers.json", "classic.json", "constants.schema.json"];
for (const file of files) ajv.addSchema(load(`${spec}/${file}`), file);
writeFileSync(
  target,
  standalone.default(ajv, {
    config: "config.json",
    classic: "classic.json",
    constants: "constants.schema.json",
    reply: "wire.json#/definitions/Reply",
    answers: "answers.json",
  }),
);

const valid = createRequire(import.meta.url)(target);
const reply = { protocol: 1, status: 0, answer: null, serial: 7 };
for (const [name, value, want] of [
  ["config", load(config), true],
  ["config", { ...load(config), version: "3" }, false],
  ["constants", load(`${spec}/constants.json`), true],
  ["constants", {}, false],
  ["reply", reply, true],
  ["reply", { ...reply, status: 3 }, false],
  ["answers", { 6: { ok: ["192.0.2.1"] } }, true],
  ["answers", { 6: { ok: ["192.0.2.1", "192.0.2.1"] } }, false],
]) {
  if (valid[name](value) !== want) {
    console.error(name, "valid:", !want, valid[name].errors);
    process.exitCode = 1;
  }
}
