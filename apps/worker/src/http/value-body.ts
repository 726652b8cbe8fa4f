/**
 * Reads the body of a request within the budget of this process. A body that announces its length is granted as a
 * whole before any of it is read; a chunked one is granted piece by piece, so that a small one costs what it has.
 *
 * The body stays granted until `use` has settled: what is stored is held until it is stored. What `finish` makes of the
 * result then needs it no more.
 */
import type { IncomingMessage } from 'node:http';

import { StoreError } from '@diststore/base';
import { type BodyRequest, readBody, refuseEncodedBody, wholeBody, WholeRequest } from '@diststore/http';

import type { BodyBudget } from './body-budget.js';

export interface BodyBound {
  readonly maxBytes: number;
  /** What the refusal names as the origin of `maxBytes`. */
  readonly setting: string;
}

/**
 * @throws StoreError value-too-large, unsupported-content-encoding, and too-many-requests when the budget has no room,
 *   here and now or as a rejection; rejects with incomplete-body and request-timeout. `use` was not called then.
 */
export function withBody<T, R>(
  request: BodyRequest,
  budget: BodyBudget,
  bound: BodyBound,
  use: (body: Buffer) => Promise<T>,
  finish: (used: T) => R,
): Promise<R> {
  // Most of them by far, so without the promises that waiting for a body takes.
  if (request instanceof WholeRequest) {
    const body = wholeBody(request, bound);
    return granted(budget, body.length, () => use(body), finish);
  }
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (isChunked && request.headers.expect === undefined)
    return withChunks(request, budget, bound, use).then(finish);
  return withAnnounced(request, budget, bound, use, finish);
}

async function withAnnounced<T, R>(
  request: IncomingMessage,
  budget: BodyBudget,
  bound: BodyBound,
  use: (body: Buffer) => Promise<T>,
  finish: (used: T) => R,
): Promise<R> {
  refuseEncodedBody(request);
  const { headers } = request;
  // Who waits for 100 Continue is rare enough to be granted the most that it may send.
  const announced =
    headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bound.maxBytes;
  // A body that is too large is refused by readBody, unread: it needs no room.
  const bytes = announced > bound.maxBytes ? 0 : announced;
  return granted(budget, bytes, () => readBody(request, bound).then(use), finish);
}

/** Takes `bytes` until what `use` returns has settled. */
function granted<T, R>(
  budget: BodyBudget,
  bytes: number,
  use: () => Promise<T>,
  finish: (used: T) => R,
): Promise<R> {
  budget.take(bytes);
  let used: Promise<T>;
  try {
    used = use();
  } catch (error) {
    budget.give(bytes);
    throw error;
  }
  return used.then(
    (result) => {
      budget.give(bytes);
      return finish(result);
    },
    (error: unknown) => {
      budget.give(bytes);
      throw error;
    },
  );
}

async function withChunks<T>(
  request: IncomingMessage,
  budget: BodyBudget,
  bound: BodyBound,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  refuseEncodedBody(request);
  const reservation = budget.open();
  try {
    return await use(await collect(request, bound, (bytes) => reservation.grow(bytes)));
  } finally {
    reservation.close();
  }
}

function collect(request: IncomingMessage, bound: BodyBound, grow: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
    };
    const refuse = (error: Error): void => {
      settle();
      // What is left of it is dealt with when the answer is written.
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bound.maxBytes) {
        refuse(tooLarge(bound));
        return;
      }
      try {
        grow(chunk.length);
      } catch (error) {
        refuse(error as Error);
        return;
      }
      chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
    };
    const onClose = (): void => {
      settle();
      reject(incomplete(bytes));
    };
    if (request.destroyed) {
      reject(incomplete(0));
      return;
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

function tooLarge({ maxBytes: limitBytes, setting }: BodyBound): StoreError {
  const detail = `The limit is ${limitBytes} bytes (${setting}); the body has more.`;
  return new StoreError('value-too-large', detail, { facts: { limitBytes, setting } });
}

function incomplete(receivedBytes: number): StoreError {
  return new StoreError('incomplete-body', `The connection ended after ${receivedBytes} bytes of the body.`, {
    facts: { receivedBytes },
  });
}
