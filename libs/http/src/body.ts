/**
 * Reads a request body into one Buffer, within a bound that is checked before anything is allocated: a body that
 * announces too much is refused unread, one that does not announce its length is refused when it passes the bound.
 * A body that comes in one piece is handed on without a copy.
 *
 * `100 Continue` is sent when a handler begins to read, not before: a request that is refused for its length, its
 * route or its method never transfers its body.
 *
 * Not for bodies larger than memory allows: nothing here streams.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { StoreError } from '@diststore/base';

import { WholeRequest } from './lane/whole-request.js';

export interface BodyLimits {
  /** The largest body that is read, in bytes. */
  readonly maxBytes: number;
  /** The setting behind `maxBytes`, for the refusal to name. Default `maxValueBytes`. */
  readonly setting?: string;
  /** From the call to the last byte. Without it, the server's `requestTimeoutMs` alone bounds the wait. */
  readonly timeoutMs?: number;
}

/** A request whose body can be read, once. */
export type BodyRequest = IncomingMessage | WholeRequest;

const SHOWN_CHARS_MAX = 80;
const EMPTY = Buffer.alloc(0);
const NEXT_TURN = Promise.resolve();

/** The responses whose client waits for `100 Continue` before it sends the body. */
const awaitingContinue = new WeakMap<IncomingMessage, ServerResponse>();

/** For the server's 'checkContinue' event: leaves the answer to whoever reads the body. */
export function holdContinue(req: IncomingMessage, res: ServerResponse): void {
  awaitingContinue.set(req, res);
}

/**
 * Bodies are stored and given out as they came. A compressed one would later be given out without its
 * Content-Encoding, and so as something else than was meant.
 * @throws StoreError unsupported-content-encoding
 */
export function refuseEncodedBody({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity') return;
  throw new StoreError(
    'unsupported-content-encoding',
    `Content-Encoding is ${JSON.stringify(encoding.slice(0, SHOWN_CHARS_MAX))}; bodies are taken as identity only.`,
  );
}

/**
 * The whole body; it belongs to the caller. An absent body is an empty one.
 * REQUIRES: nobody else has read from `req`, and it is called once.
 * @throws StoreError value-too-large: more than `maxBytes` was announced or sent. The rest has not been read.
 * @throws StoreError request-timeout: `timeoutMs` passed.
 * @throws StoreError incomplete-body: the connection ended first.
 * @throws StoreError unsupported-content-encoding: nothing was read.
 */
export async function readBody(req: BodyRequest, limits: BodyLimits): Promise<Buffer> {
  if (req instanceof WholeRequest) return wholeBody(req, limits);
  refuseEncodedBody(req);
  const announcedBytes = announced(req);
  if (announcedBytes === 0) return EMPTY;
  if (announcedBytes !== undefined && announcedBytes > limits.maxBytes)
    throw tooLarge(limits, announcedBytes);
  awaitingContinue.get(req)?.writeContinue();
  // A handler runs while the parser is still at the headers. One turn later it has taken in what came with them, which
  // is all of a small body, though not yet noted its end. No listener is needed then (measured: 5 µs less).
  if (!req.complete) await NEXT_TURN;
  const first = req.read() as Buffer | null;
  if (first !== null && first.length === announcedBytes) return first;
  return new Promise((resolve, reject) => {
    collect(req, { first, announcedBytes, limits, resolve, reject });
  });
}

/** As readBody, where there is nothing to wait for. */
export function wholeBody(req: WholeRequest, limits: BodyLimits): Buffer {
  refuseEncodedBody(req);
  if (req.body.length > limits.maxBytes) throw tooLarge(limits, req.body.length);
  return req.body;
}

interface Collection {
  readonly first: Buffer | null;
  readonly announcedBytes: number | undefined;
  readonly limits: BodyLimits;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

function collect(req: IncomingMessage, collection: Collection): void {
  const { first, announcedBytes, limits, resolve, reject } = collection;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = limits.timeoutMs === undefined ? undefined : setTimeout(onTimeout, limits.timeoutMs);
  if (first !== null && !take(first)) return;
  if (req.destroyed) {
    settle();
    reject(incomplete(bytes, announcedBytes));
    return;
  }
  req.on('data', take);
  req.on('end', onEnd);
  req.on('close', onClose);
  req.on('error', onClose);

  function take(chunk: Buffer): boolean {
    bytes += chunk.length;
    if (bytes > limits.maxBytes) {
      refuse(tooLarge(limits, announcedBytes));
      return false;
    }
    chunks.push(chunk);
    return true;
  }

  function onEnd(): void {
    settle();
    resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
  }

  function onClose(): void {
    settle();
    reject(incomplete(bytes, announcedBytes));
  }

  function onTimeout(): void {
    refuse(
      new StoreError('request-timeout', `The body did not arrive within ${limits.timeoutMs ?? 0} ms.`, {
        facts: { receivedBytes: bytes, announcedBytes, timeoutMs: limits.timeoutMs },
      }),
    );
  }

  /** The rest stays unread until the answer decides what becomes of it: see early-answer.ts. */
  function refuse(error: StoreError): void {
    settle();
    req.pause();
    reject(error);
  }

  function settle(): void {
    clearTimeout(timer);
    req.off('data', take);
    req.off('end', onEnd);
    req.off('close', onClose);
    req.off('error', onClose);
  }
}

/** The length of the body: 0 if there is none, undefined if it is chunked. The parser lets only digits through. */
function announced(req: IncomingMessage): number | undefined {
  if (req.headers['transfer-encoding'] !== undefined) return undefined;
  const length = req.headers['content-length'];
  return length === undefined ? 0 : Number(length);
}

function tooLarge(limits: BodyLimits, announcedBytes: number | undefined): StoreError {
  const { maxBytes: limitBytes, setting = 'maxValueBytes' } = limits;
  const size = announcedBytes === undefined ? 'more' : `${announcedBytes} bytes`;
  return new StoreError(
    'value-too-large',
    `The limit is ${limitBytes} bytes (${setting}); the body has ${size}.`,
    {
      facts: { limitBytes, setting, announcedBytes },
    },
  );
}

function incomplete(receivedBytes: number, announcedBytes: number | undefined): StoreError {
  return new StoreError('incomplete-body', `The connection ended after ${receivedBytes} bytes of the body.`, {
    facts: { receivedBytes, announcedBytes },
  });
}
