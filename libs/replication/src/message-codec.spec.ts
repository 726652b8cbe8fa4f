import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  CHANGE_KINDS,
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type { Configuration, Member } from '@diststore/cluster';

import { chainText } from './chain.js';
import { newInstalled, decodeInstalled, encodeInstalled } from './durable-state.js';
import { decodeLogRow, encodeLogRow, makeEntry, makeUnlogged, namesOf } from './entry.js';
import type { Entry, EntryFields, Op } from './entry.js';
import {
  decodeBeacon,
  decodeBeaconAnswer,
  decodeMessage,
  encodeBeacon,
  encodeBeaconAnswer,
  encodeMessage,
} from './message-codec.js';
import type { Message } from './message.js';

const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.uint8Array({ minLength: 1, maxLength: 40 });
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const chain = fc.record({ hi: u32, lo: u32 });
const timeMs = fc.double({ min: 0, max: 1e12, noNaN: true });
const ver = fc.record({ gen: seq.map(generation), epoch: seq.map(epoch) });
const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((b) => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join(''));
const member: fc.Arbitrary<Member> = fc.record({
  worker: fc.integer({ min: 1, max: 999 }).map(workerIndex),
  store: hex(16).map(storeId),
  incarnation: hex(8).map(incarnation),
});
const configuration: fc.Arbitrary<Configuration> = fc
  .record({
    ver,
    insync: fc.uniqueArray(member, { minLength: 1, maxLength: 5, selector: ({ worker }) => worker }),
    position: fc.nat(),
    kind: fc.constantFrom(...CHANGE_KINDS),
    id: hex(8).map(proposalId),
    by: fc.oneof(fc.constant('master' as const), fc.constant('operator' as const), member),
  })
  .map(({ ver: { gen, epoch: at }, insync, position, kind, id, by }) => ({
    gen,
    epoch: at,
    insync,
    primary: insync[position % insync.length] as Member,
    eligible: [],
    minInSync: 1,
    kind,
    proposalId: id,
    by,
  }));
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    type: fc.constant('put' as const),
    key,
    expireAtMs: number,
    contentType: fc.option(fc.constantFrom('text/plain', ''), { nil: undefined }),
    payload: bytes,
    oldExpireAtMs: number,
  }),
  fc.record({ type: fc.constant('del' as const), key, oldExpireAtMs: number }),
  fc.record({ type: fc.constant('clear' as const), through: number }),
);
const entryFields: fc.Arbitrary<EntryFields> = fc.record({
  ver,
  seq,
  timestampMs: number,
  previous: chain,
  counts: fc.record({ keys: number, bytes: number }),
  request: fc.option(fc.record({ id: hex(16), fingerprint: chain }), { nil: undefined }),
  result: bytes,
  ops: fc.array(op, { maxLength: 4 }),
});
const entry: fc.Arbitrary<Entry> = entryFields.map(makeEntry);
const state = fc
  .record({
    applied: number,
    baseVer: ver,
    chain,
    lastTimestampMs: number,
    clearedThrough: number,
    counts: fc.record({ keys: number, bytes: number }),
  })
  .map((fields) => ({ ...fields, base: fields.applied }));
const type = <T extends Message['type']>(value: T): fc.Arbitrary<T> => fc.constant(value);
const shape = fc
  .record({ base: fc.nat(), length: fc.nat(100), baseVer: ver, ver })
  .map(({ base, length, baseVer, ver: v }) => ({
    base,
    baseVer,
    last: base + length,
    segments: length === 0 ? [] : [{ ver: v, firstSeq: base + 1 }],
  }));
const rows = fc.array(fc.record({ key, value: bytes }), { maxLength: 4 });
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: type('install'),
    configuration,
    log: shape,
    committed: number,
    leaseMs: timeMs,
    sentAtMs: timeMs,
    boot: number,
  }),
  fc.record({
    type: type('installed'),
    ver,
    match: fc.option(number),
    snapshotId: number,
    sentAtMs: timeMs,
    boot: number,
  }),
  fc.record({ type: type('prepare'), ver, committed: number, entries: fc.array(entry, { maxLength: 4 }) }),
  fc.record({ type: type('prepared'), ver, durable: number }),
  fc.record({ type: type('missing'), ver, last: number }),
  fc.record({ type: type('uninstalled'), ver }),
  fc.record({ type: type('leave'), ver }),
  fc.record({ type: type('configuration'), configuration }),
  fc.record({ type: type('confirm'), ver, round: number }),
  fc.record({ type: type('confirmed'), ver, round: number, ok: fc.boolean() }),
  fc.record({ type: type('snapshotBegin'), configuration, snapshotId: number, state }),
  fc.record({ type: type('snapshotChunk'), ver, snapshotId: number, index: u32, rows }),
  fc.record({ type: type('snapshotEnd'), ver, snapshotId: number, chunks: u32 }),
  fc.record({ type: type('snapshotAck'), ver, snapshotId: number, index: u32 }),
);
const envelope = fc.record({
  partition: fc.integer({ min: 0, max: 16_383 }).map(partitionId),
  incarnation: hex(8).map(incarnation),
  message,
});
const partition = fc.integer({ min: 0, max: 16_383 }).map(partitionId);
const beacon = fc.record({
  boot: number,
  sentAtMs: timeMs,
  leaseMs: timeMs,
  items: fc.array(fc.record({ partition, ver, committed: number, chain }), { maxLength: 4 }),
});
const answer = fc.record({
  boot: number,
  sentAtMs: timeMs,
  accepted: fc.array(fc.record({ partition, ver, incarnation: hex(8).map(incarnation) }), { maxLength: 4 }),
  rejected: fc.array(fc.record({ partition, configuration }), { maxLength: 3 }),
});

/** Bytes that are nearly right: some of them changed, cut off or added. */
const nearly = (encoded: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .record({ encoded, at: fc.nat(), value: fc.nat(255), cut: fc.nat(40) })
    .map(({ encoded: b, at, value, cut }) => {
      const damaged = Uint8Array.from(b);
      damaged[at % damaged.length] = value;
      return damaged.subarray(0, Math.max(0, damaged.length - (cut > 20 ? cut - 20 : 0)));
    });

describe('messages', () => {
  it('come back from their bytes as they were', () => {
    fc.assert(
      fc.property(envelope, (sent) => expect(decodeMessage(encodeMessage(sent))).toEqual(sent)),
      { numRuns: 500 },
    );
  });

  it('beacons and their answers come back from their bytes as they were', () => {
    fc.assert(fc.property(beacon, (sent) => expect(decodeBeacon(encodeBeacon(sent))).toEqual(sent)));
    fc.assert(
      fc.property(answer, (sent) => expect(decodeBeaconAnswer(encodeBeaconAnswer(sent))).toEqual(sent)),
    );
  });

  it('junk is no message, and no exception', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          nearly(envelope.map(encodeMessage)),
          nearly(beacon.map(encodeBeacon)),
        ),
        (junk) => {
          decodeMessage(junk);
          decodeBeacon(junk);
          decodeBeaconAnswer(junk);
          decodeInstalled(junk);
          decodeLogRow(junk);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('a message that ends anywhere early is none', () => {
    fc.assert(
      fc.property(envelope, fc.nat(), (sent, cut) => {
        const encoded = encodeMessage(sent);
        expect(decodeMessage(encoded.subarray(0, cut % encoded.length))).toBeUndefined();
      }),
    );
  });
});

describe('rows', () => {
  it('a log row comes back as it was, and a damaged one does not', () => {
    fc.assert(
      fc.property(entry, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, at, flip) => {
        const row = encodeLogRow(written);
        expect(decodeLogRow(row)).toEqual(written);
        const i = at % row.length;
        row[i] = (row[i] ?? 0) ^ flip;
        expect(decodeLogRow(row)).toBeUndefined();
      }),
    );
  });

  it('an entry that is never logged is as large as it would be there, and has no row', () => {
    fc.assert(
      fc.property(entryFields, (fields) => {
        const unlogged = makeUnlogged(fields);
        const logged = makeEntry(fields);
        expect(unlogged.size).toBe(logged.bytes.length);
        expect(namesOf(unlogged)).toEqual(namesOf(logged));
        expect(() => encodeLogRow(unlogged)).toThrow('only what was made for a log is logged');
      }),
    );
  });

  it('the chain of an entry that is never logged tells one place and time from another', () => {
    const place = fc.record({ previous: chain, ver, seq, timestampMs: number });
    const fields = { counts: { keys: 0, bytes: 0 }, request: undefined, result: new Uint8Array(0), ops: [] };
    const chainAt = (at: Pick<EntryFields, 'previous' | 'ver' | 'seq' | 'timestampMs'>): string =>
      chainText(makeUnlogged({ ...fields, ...at }).chain);
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(chainAt(a)).toBe(chainAt(structuredClone(a)));
        for (const part of ['previous', 'ver', 'seq', 'timestampMs'] as const) {
          const moved = { ...a, [part]: b[part] };
          const isSame = JSON.stringify(moved) === JSON.stringify(a);
          expect(chainAt(moved) === chainAt(a)).toBe(isSame);
        }
      }),
    );
  });

  it('the row of the installed configuration comes back as it was', () => {
    const installed = fc.record({
      incarnation: hex(8).map(incarnation),
      configuration: fc.option(configuration),
      tenure: fc.boolean(),
      waited: fc.boolean(),
      shared: fc.boolean(),
      state: fc.constantFrom('ok' as const, 'loading' as const),
      snapshotId: number,
    });
    fc.assert(
      fc.property(installed, (written) => expect(decodeInstalled(encodeInstalled(written))).toEqual(written)),
    );
    const fresh = newInstalled(incarnation('0'.repeat(16)));
    expect(decodeInstalled(encodeInstalled(fresh))).toEqual(fresh);
  });
});
