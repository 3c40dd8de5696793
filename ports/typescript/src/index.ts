/** Asks ganeti-confd about a Ganeti cluster. */

export { Client, type Answer, type ClientOptions } from "./client.js";
export { AnswerError, ConfdError, DatagramError, NoReplyError, StatusError, TooLargeError } from "./errors.js";
export * as questions from "./questions.js";
export type { Question } from "./questions.js";
export { MasterFieldCode, NodeRole, RequestType, Status } from "./protocol/constants.js";
