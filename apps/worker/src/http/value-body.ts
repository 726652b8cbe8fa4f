/**
 * Reads the body of a request within the budget of this process. A body that announces its length is granted as a
 * whole before any of it is read; a chunked one is granted piece by piece, so that a small one costs what it has.
 *
 * The body stays granted until `use` has settled: what is stored is held until it is stored.
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
 * @throws StoreError value-too-large, incomplete-body, request-timeout, unsupported-content-encoding, and
 *   too-many-requests when the budget has no room. `use` was not called then.
 */
export async function withBody<T>(
  request: BodyRequest,
  budget: BodyBudget,
  bound: BodyBound,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  refuseEncodedBody(request);
  const { headers } = request;
  const isChunked = headers['transfer-encoding'] !== undefined;
  if (isChunked && headers.expect === undefined && !(request instanceof WholeRequest))
    return withChunks(request, budget, bound, use);
  // Who waits for 100 Continue is rare enough to be granted the most that it may send.
  const announced = isChunked ? bound.maxBytes : Number(headers['content-length'] ?? 0);
  // A body that is too large is refused by readBody, unread: it needs no room.
  const taken = announced > bound.maxBytes ? 0 : announced;
  budget.take(taken);
  try {
    return await use(
      request instanceof WholeRequest ? wholeBody(request, bound) : await readBody(request, bound),
    );
  } finally {
    budget.give(taken);
  }
}

async function withChunks<T>(
  request: IncomingMessage,
  budget: BodyBudget,
  bound: BodyBound,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
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
