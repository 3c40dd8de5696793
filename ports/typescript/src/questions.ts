/** The questions, each with the type of its answer. */

import { AnswerError } from "./errors.js";
import * as answers from "./protocol/answers.js";
import { InvalidError, type Json } from "./protocol/check.js";
import type { Disk } from "./protocol/config.js";
import { type MasterFieldCode, type NodeRole, Parameter, RequestType } from "./protocol/constants.js";
import type { NodeIPAnswer, NodeMinor, Query, QueryParameters } from "./protocol/wire.js";

/** A question whose answer is an A. */
export interface Question<A> {
  readonly type: RequestType;
  readonly query: Query;
  /** Returns what an answer to this question says, or throws AnswerError. */
  decode(answer: Json): A;
}

function ask<A>(type: RequestType, query: Query, read: (answer: unknown) => A): Question<A> {
  const decode = (answer: Json) => {
    try {
      return read(answer);
    } catch (err) {
      if (err instanceof InvalidError) throw new AnswerError(`answer to request type ${type}: ${err.message}`);
      throw err;
    }
  };
  return { type, query, decode };
}

/** Asks anything. The answer stays as it is. */
export const raw = (type: RequestType, query: Json = null): Question<Json> =>
  ask(type, query as Query, (answer) => answer as Json);

/** Asks whether the daemon is alive. The answer is the version of the configuration. */
export const ping = (): Question<answers.Ping> => ask(RequestType.Ping, null, answers.readPing);

/** Asks for the role of a node, by its name, the beginning of that up to a dot, or UUID. */
export const nodeRole = (node: string): Question<NodeRole> =>
  ask(RequestType.NodeRoleByName, node, answers.readNodeRoleByName);

/** Asks for the primary IP of the node that runs the instance with an address on a link. */
export const nodeIP = (ip: string, link?: string): Question<string> =>
  ask(RequestType.NodePIPByInstanceIP, parameters({ Link: link, IP: ip }), text(answers.readNodePIPByInstanceIP));

/** Asks the same for several addresses. The answer has them in the order asked for. */
export const locate = (ips: readonly string[], link?: string): Question<NodeIPAnswer[]> =>
  ask(
    RequestType.NodePIPByInstanceIP,
    parameters({ Link: link, IPList: [...ips] }),
    list(answers.readNodePIPByInstanceIP),
  );

/** Asks for the name of the master node. */
export const master = (): Question<string> =>
  ask(RequestType.ClusterMaster, null, text(answers.readClusterMaster));

/** Asks for fields of the master. The answer has their values, in the order asked for. */
export const masterFields = (...fields: MasterFieldCode[]): Question<string[]> =>
  ask(RequestType.ClusterMaster, parameters({ Fields: fields }), list(answers.readClusterMaster));

/** Asks for the primary IPs of all nodes. */
export const nodeIPs = (): Question<string[]> => ask(RequestType.NodePIPList, null, answers.readNodePIPList);

/** Asks for the primary IPs of the master candidates. */
export const candidateIPs = (): Question<string[]> => ask(RequestType.MCPIPList, null, answers.readMCPIPList);

/** Asks for the addresses of all instances on a link, by default the cluster's. */
export const instanceIPs = (link?: string): Question<string[]> =>
  ask(RequestType.InstanceIPsList, link ?? null, answers.readInstanceIPsList);

/** Asks for the DRBD minors of a node. */
export const nodeDRBD = (node: string): Question<NodeMinor[]> =>
  ask(RequestType.NodeDRBD, node, answers.readNodeDRBD);

/** Asks for the instances that a node is primary, and DRBD secondary, of. */
export const nodeInstances = (node: string): Question<answers.NodeInstances> =>
  ask(RequestType.NodeInstances, node, answers.readNodeInstances);

/** Asks for the disks of an instance, by its name, the beginning of that, or UUID. */
export const instanceDisks = (instance: string): Question<Disk[]> =>
  ask(RequestType.InstanceDisks, instance, answers.readInstanceDisks);

/** Asks for a part of the configuration, by its JSON pointer. */
export const configValue = (pointer: string): Question<Json> =>
  ask(RequestType.ConfigQuery, pointer, answers.readConfigQuery);

/** Asks for the state of the monitoring data collectors. */
export const collectors = (): Question<answers.DataCollectors> =>
  ask(RequestType.DataCollectors, null, answers.readDataCollectors);

/** Returns the parameters that are given. */
function parameters(given: Partial<Record<keyof typeof Parameter, Json>>): QueryParameters {
  const query: Record<string, Json> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) query[Parameter[name as keyof typeof Parameter]] = value;
  }
  return query as QueryParameters;
}

/** Make a reader take one of the two kinds of answers that a type of request has. */
function text<A>(read: (answer: unknown) => A): (answer: unknown) => Extract<A, string> {
  return (answer) => {
    if (typeof answer !== "string") throw new InvalidError("", "no text");
    return read(answer) as Extract<A, string>;
  };
}

function list<A>(read: (answer: unknown) => A): (answer: unknown) => Extract<A, unknown[]> {
  return (answer) => {
    if (!Array.isArray(answer)) throw new InvalidError("", "no list");
    return read(answer) as Extract<A, unknown[]>;
  };
}
