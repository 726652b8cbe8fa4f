/** What was done is never called undone, though there is no room for the answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { describe, expect, it } from '@jest/globals';
import type { Result } from '@diststore/data';
import { WholeRequest } from '@diststore/http';

import type { MapFollower } from '../../cluster/map-follower.js';
import type { Done, Keyspace } from '../../data/keyspace.js';
import { BodyBudget } from '../body-budget.js';
import { Batch } from './batch.js';
import { Transactions } from './transaction.js';

const RECORD = { version: 1, expireAtMs: 0, contentType: undefined, payload: Buffer.alloc(500, 'x') };
const OPEN = { destroyed: false, once: () => undefined } as unknown as ServerResponse;
const follower = { required: () => ({ settings: { placement: 'local' } }) } as unknown as Pick<
  MapFollower,
  'required'
>;

function requestOf(body: object): IncomingMessage {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { 'content-length': String(bytes.length) };
  return new WholeRequest('POST', '/', headers, bytes) as unknown as IncomingMessage;
}

/** Done, with an answer that is larger than the request. */
function keyspaceWith(version: number, results: readonly Result[]): Keyspace {
  const result: Result = { type: 'transaction', held: true, version, results };
  const done = { result, repeated: false, partition: 0, replicas: [1] } as unknown as Done;
  return {
    partitionOf: () => 0,
    perform: () => Promise.resolve(done),
    get: () => Promise.resolve({ record: RECORD }),
  } as unknown as Keyspace;
}

const GET = { op: 'get', key: 'a' };
const INCREMENT = { op: 'incr', key: 'n' };
const FOUND: Result = { type: 'value', record: RECORD };
const ADDED: Result = { type: 'number', version: 7, number: '1', created: true };

describe('an answer that there is no room for', () => {
  it.each([
    ['has written', 7, [INCREMENT, GET], [ADDED, FOUND], 'outcome-unknown'],
    ['has read', 0, [GET], [FOUND], 'too-many-requests'],
  ])('is refused with what became of a transaction that %s', async (_what, version, then, results, code) => {
    const budget = new BodyBudget(200);
    const transactions = new Transactions(keyspaceWith(version, results), budget, follower);
    await expect(transactions.run(requestOf({ then }), OPEN)).rejects.toMatchObject({ code });
    expect(budget.bytes).toBe(0);
  });

  it.each([
    ['has written', [INCREMENT, GET], 'outcome-unknown'],
    ['has read', [GET], 'too-many-requests'],
  ])('is refused with what became of a batch that %s', async (_what, operations, code) => {
    const budget = new BodyBudget(200);
    const batch = new Batch(keyspaceWith(7, [ADDED]), budget, follower);
    await expect(batch.run(requestOf({ operations }), OPEN)).rejects.toMatchObject({ code });
    expect(budget.bytes).toBe(0);
  });
});
