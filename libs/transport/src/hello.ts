/**
 * How two workers introduce themselves: one JSON object each, in the header `DistStore-Hello` of the HTTP request that
 * asks for the upgrade and of the 101 that grants it. Both sides check the other's (handshake.ts).
 *
 *     GET /peer HTTP/1.1                               HTTP/1.1 101 Switching Protocols
 *     Connection: Upgrade                              Connection: Upgrade
 *     Upgrade: diststore-peer                          Upgrade: diststore-peer
 *     DistStore-Hello: {"protocolMin":1,…,"to":2}      DistStore-Hello: {"protocolMin":1,…,"to":1}
 *
 * Compatibility: members that are not known here are ignored, so that a later version may add some; what must be
 * understood by both sides is a feature or a new protocol version instead. The version in use is the highest that
 * both speak; the features in use are those that both name.
 *
 * Where a shared secret goes: a random `challenge` joins the hello of each side, and each answers the other's with a
 * frame of the kind kept for it (5, frame.ts), an HMAC over both hellos, before any message is delivered; a side that
 * requires it refuses a hello that lacks the feature. Until then whoever reaches the port may claim to be any worker.
 *
 * Not for deciding who is welcome: this is only what a hello looks like.
 */
export interface PeerIdentity {
  /** 32 hex digits. */
  readonly cluster: string;
  /** Index of the worker, 1 to 999. */
  readonly worker: number;
  /** 32 hex digits, born with the worker's database. */
  readonly store: string;
  /** Raised in the store at every start of the worker, from 1. */
  readonly boot: number;
  /** 16 to 64 hex digits, random, chosen by the process at its start. */
  readonly nonce: string;
}

export interface Hello extends PeerIdentity {
  /** The protocol versions that this side speaks. */
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly features: readonly string[];
  /** What the connection is for. */
  readonly channel: string;
  /** How often this side lets itself be heard. */
  readonly heartbeatMs: number;
  /** The worker that this side means to talk to. */
  readonly to: number;
}

export const UPGRADE_PROTOCOL = 'diststore-peer';
export const PEER_PATH = '/peer';
/** As Node shows it; case does not matter on the wire. */
export const HELLO_HEADER = 'diststore-hello';

/** Spoken by this code. Raise the maximum with a change of what frames mean, the minimum to drop the old. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Of the JSON. Longer: malformed. Node itself allows 16 KiB of headers. */
const HELLO_BYTES_MAX = 4_096;
const FEATURES_MAX = 32;
const WORKER_MAX = 999;
const HEARTBEAT_MS_MAX = 60_000;

const HEX_32 = /^[0-9a-f]{32}$/;
const NONCE = /^[0-9a-f]{16,64}$/;
/** Of channels and features. */
const NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** One line of printable ASCII, as a header needs it. REQUIRES: `problemOfHello` finds nothing. */
export function encodeHello(hello: Hello): string {
  return JSON.stringify(hello);
}

/** The hello in `text`, with the members known here only, or what is wrong with it. */
export function parseHello(text: string | undefined): { hello: Hello } | { problem: string } {
  if (text === undefined) return { problem: 'the hello is missing' };
  if (text.length > HELLO_BYTES_MAX) return { problem: `the hello is longer than ${HELLO_BYTES_MAX} bytes` };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: 'the hello is not JSON' };
  }
  if (typeof json !== 'object' || json === null) return { problem: 'the hello is not a JSON object' };
  const problem = problemOfHello(json);
  if (problem !== undefined) return { problem };
  const h = json as Hello;
  return {
    hello: {
      protocolMin: h.protocolMin,
      protocolMax: h.protocolMax,
      features: h.features,
      cluster: h.cluster,
      worker: h.worker,
      store: h.store,
      boot: h.boot,
      nonce: h.nonce,
      channel: h.channel,
      heartbeatMs: h.heartbeatMs,
      to: h.to,
    },
  };
}

/** Which member is malformed and what it should be, or undefined. */
export function problemOfHello(json: object): string | undefined {
  const { features, ...h } = json as Readonly<Record<string, unknown>>;
  if (!isWhole(h['protocolMin'], 1, 0xffff)) return 'protocolMin is not a whole number from 1 to 65535';
  if (!isWhole(h['protocolMax'], Number(h['protocolMin']), 0xffff))
    return 'protocolMax is not a whole number from protocolMin to 65535';
  if (!Array.isArray(features) || features.length > FEATURES_MAX || !features.every((f) => matches(f, NAME)))
    return `features is not a list of at most ${FEATURES_MAX} names`;
  if (!matches(h['cluster'], HEX_32)) return 'cluster is not 32 hex digits';
  if (!isWhole(h['worker'], 1, WORKER_MAX)) return `worker is not a whole number from 1 to ${WORKER_MAX}`;
  if (!matches(h['store'], HEX_32)) return 'store is not 32 hex digits';
  if (!isWhole(h['boot'], 1, Number.MAX_SAFE_INTEGER)) return 'boot is not a whole number from 1';
  if (!matches(h['nonce'], NONCE)) return 'nonce is not 16 to 64 hex digits';
  if (!matches(h['channel'], NAME)) return 'channel is not a name';
  if (!isWhole(h['heartbeatMs'], 1, HEARTBEAT_MS_MAX))
    return `heartbeatMs is not a whole number from 1 to ${HEARTBEAT_MS_MAX}`;
  if (!isWhole(h['to'], 1, WORKER_MAX)) return `to is not a whole number from 1 to ${WORKER_MAX}`;
  return undefined;
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}
