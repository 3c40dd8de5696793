/** JSON without loss: integers that a double cannot hold are bigints. */

import { randomUUID } from "node:crypto";

import type { Json } from "./protocol/check.js";

// A text, or a number: of a text nothing is changed.
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gs;

/** Returns the value of a JSON text, or throws SyntaxError. */
export function parse(text: string): Json {
  const value = JSON.parse(text);
  if (!/\d{16}/.test(text)) return value;
  // Large integers become texts with a mark that no text in the input has.
  const mark = randomUUID();
  const marked = text.replace(tokens, (token) => (isLarge(token) ? `"${mark}${token}"` : token));
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

function isLarge(token: string): boolean {
  return /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));
}

/** Returns the JSON text of a value, in ASCII. Two values are equal if their texts are. */
export function stringify(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(stringify).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${stringify(name)}:${stringify(value[name]!)}`).join(",")}}`;
  }
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}
