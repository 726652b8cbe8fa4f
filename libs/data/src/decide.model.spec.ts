/**
 * Random operations against a plain map. The rows that the log operations make of a store must be those of the map, row
 * by row, expired ones included; so must the results; and the counts must be those of the rows.
 */
import { describe, expect, it } from '@jest/globals';
import type { Counts, Op, StoredRecord } from '@diststore/replication';
import fc from 'fast-check';

import { operationsOf } from '../test/operations.js';
import { PlainStore } from '../test/plain-store.js';
import { decide, storageNeed } from './decide.js';
import type { WriteOperation } from './operation.js';

const LIMITS = { maxValueBytes: 24 };
const NAMES = ['a', 'b', 'c'];

const { write } = operationsOf({
  key: fc.constantFrom(...NAMES).map((name) => Buffer.from(name)),
  value: fc.constantFrom('', '7', '-1', '9223372036854775807', '1.25', 'abc', '\0\xff', 'x'.repeat(24)).map((text) =>
    Buffer.from(text, 'latin1'),
  ),
  version: fc.integer({ min: 1, max: 30 }),
  timeMs: fc.integer({ min: 990, max: 1100 }),
  lifetimeMs: fc.integer({ min: 1, max: 30 }),
  offset: fc.integer({ min: 0, max: 26 }),
  bitOffset: fc.integer({ min: 0, max: 200 }),
  decimal: fc.constantFrom('0.5', '-1', '1e3', '0.000000000000000001'),
});
const step = fc.oneof(
  { weight: 8, arbitrary: write },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sweep' as const) }) },
);

/** Rows as a host keeps them: expired ones until they are swept. */
class Rows {
  readonly rows = new Map<string, StoredRecord>();
  counts: Counts = { keys: 0, bytes: 0 };
  seq = 0;

  perform(operation: WriteOperation, clockMs: number): ReturnType<typeof decide> {
    const view = {
      seq: this.seq + 1,
      clockMs,
      counts: this.counts,
      get: (key: Uint8Array) => this.rows.get(Buffer.from(key).toString('latin1')),
    };
    const decision = decide(operation, view, LIMITS);
    if (decision.ops.length > 0) this.apply(decision.ops, decision.counts);
    else expect(decision.counts).toEqual(view.counts);
    return decision;
  }

  sweep(clockMs: number): void {
    for (const [name, { expireAtMs, payload }] of this.rows) {
      if (expireAtMs === 0 || expireAtMs > clockMs) continue;
      this.rows.delete(name);
      this.counts = { keys: this.counts.keys - 1, bytes: this.counts.bytes - name.length - payload.length };
    }
  }

  /** As a secondary does: without looking at what is there, except to check what the entry says of it. */
  private apply(ops: readonly Op[], counts: Counts): void {
    this.seq += 1;
    this.counts = counts;
    const keys = new Set<string>();
    for (const op of ops) {
      if (op.type === 'clear') {
        for (const [name, { version }] of this.rows) if (version <= op.through) this.rows.delete(name);
        continue;
      }
      const name = Buffer.from(op.key).toString('latin1');
      expect(keys).not.toContain(name);
      keys.add(name);
      expect(op.oldExpireAtMs).toBe(this.rows.get(name)?.expireAtMs ?? 0);
      if (op.type === 'del') {
        this.rows.delete(name);
        continue;
      }
      const { expireAtMs, contentType, payload } = op;
      this.rows.set(name, { version: this.seq, expireAtMs, contentType, payload: Buffer.from(payload) });
    }
  }
}

const RUNS = 300;

describe('decide', () => {
  it('does what a plain map would do, and counts what is stored', () => {
    const seen = new Set<string>();
    let runs = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), (steps) => {
        runs += 1;
        const rows = new Rows();
        const plain = new PlainStore(LIMITS.maxValueBytes);
        for (const one of steps) {
          if (one.type === 'tick') {
            plain.clockMs += one.ms;
          } else if (one.type === 'sweep') {
            rows.sweep(plain.clockMs);
            for (const [name, { expireAtMs }] of plain.values) if (expireAtMs <= plain.clockMs) plain.values.delete(name);
          } else {
            const decision = rows.perform(one, plain.clockMs);
            const expected = plain.perform(one);
            expect(decision.result).toEqual(expected.result);
            expect(decision.ops.length > 0).toBe(expected.wrote);
            expect(storageNeed(one, decision)).toBeLessThanOrEqual(rows.counts.bytes);
            seen.add(`${one.type} ${decision.result.type}`);
          }
          expect([...rows.rows].map(plainOf).sort()).toEqual([...plain.values].map(plainRow).sort());
          const payloads = [...rows.rows].map(([name, { payload }]) => name.length + payload.length);
          expect(rows.counts).toEqual({ keys: rows.rows.size, bytes: payloads.reduce((a, b) => a + b, 0) });
        }
      }),
      { numRuns: RUNS },
    );
    // What the random operations came across: each of these is a branch of its own. Fewer runs may miss some.
    if (runs < RUNS) return;
    for (const outcome of ['put stored', 'put deleted', 'put absent', 'put refused', 'delete deleted', 'delete absent'])
      expect(seen).toContain(outcome);
    for (const type of ['add', 'add-decimal', 'append', 'set-range', 'set-bit', 'bit-field'])
      expect(seen).toContain(`${type} failed`);
    for (const outcome of ['set-expiry deleted', 'set-expiry refused', 'copy refused', 'transaction failed'])
      expect(seen).toContain(outcome);
  });
});

type PlainRow = readonly [string, number, number, string | undefined, string];

function plainOf([name, { version, expireAtMs, contentType, payload }]: [string, StoredRecord]): PlainRow {
  return [name, version, expireAtMs, contentType, Buffer.from(payload).toString('latin1')];
}

function plainRow([name, value]: [string, ReturnType<PlainStore['get']> & object]): PlainRow {
  const { version, expireAtMs, contentType, text } = value;
  return [name, version, expireAtMs === Infinity ? 0 : expireAtMs, contentType, text];
}
