/**
 * The bounds of an HTTP server, each with what happens at it. server-guard.ts holds a server to them.
 *
 * Relation: headersTimeoutMs <= requestTimeoutMs, since the headers are part of the request.
 */
import type { ServerOptions } from 'node:http';

import { invariant } from '@diststore/base';

export interface HttpLimits {
  /** Request line and headers together. Beyond: 431. A key of 1024 bytes, each percent-encoded, needs 3 KiB. */
  readonly maxHeaderBytes: number;
  /** From the connection, or the first byte of a later request, to the end of its headers. Beyond: 408 and close. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. Beyond: 408 and close. */
  readonly requestTimeoutMs: number;
  /** Between an answer and the next request of the connection. Beyond: close. Longer than most proxies' 60 s. */
  readonly keepAliveTimeoutMs: number;
  /** Without a byte in either direction while an answer is awaited or sent. Beyond: close. It frees what a reader that stopped reading holds. */
  readonly stallTimeoutMs: number;
  /** At once. Beyond: new ones are closed unanswered, and counted. */
  readonly maxConnections: number;
  /** Requests of one connection that are under way at once. Beyond: nothing more is read from it for a while. */
  readonly maxPipelined: number;
  /** How long `close` waits for requests under way. Beyond: their connections are cut. */
  readonly drainTimeoutMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  keepAliveTimeoutMs: 65_000,
  stallTimeoutMs: 120_000,
  maxConnections: 12_000,
  maxPipelined: 256,
  drainTimeoutMs: 10_000,
};

/** Descriptors kept back from connections: LevelDB holds up to 1000 table files open; peers, log and pipes need the rest. */
const RESERVED_DESCRIPTORS = 1_500;
/** Even a tiny descriptor limit leaves this many connections; accept then fails by itself where the rest is used up. */
const CONNECTIONS_MIN = 64;
/** How often Node looks for requests that are too slow, so how late a 408 can be. */
const SLOW_REQUEST_CHECK_MS_MAX = 1_000;

/** What has to be known when the server is created. */
export function serverOptions(limits: HttpLimits): ServerOptions {
  const { headersTimeoutMs, requestTimeoutMs } = limits;
  invariant(headersTimeoutMs <= requestTimeoutMs, 'headersTimeoutMs <= requestTimeoutMs', {
    headersTimeoutMs,
    requestTimeoutMs,
  });
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(SLOW_REQUEST_CHECK_MS_MAX, Math.ceil(headersTimeoutMs / 2)),
    // Node's own answer to a missing Host has no body; the adapter gives a problem instead.
    requireHostHeader: false,
    noDelay: true,
  };
}

/** `wanted`, or what this process has descriptors for if that is less. */
export function connectionsThatFit(wanted: number, descriptorsMax = openFilesMax()): number {
  if (descriptorsMax === undefined) return wanted;
  return Math.min(wanted, Math.max(CONNECTIONS_MIN, descriptorsMax - RESERVED_DESCRIPTORS));
}

/** The soft limit of open files, which Node has raised to the hard one; undefined where it is unlimited or unknown. */
function openFilesMax(): number | undefined {
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | 'unlimited' } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : undefined;
}
