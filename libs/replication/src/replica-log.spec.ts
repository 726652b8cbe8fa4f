import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { chainOf, chainText } from './chain.js';
import { APPLIED_NOTHING, problemOfLog } from './durable-state.js';
import { makeEntry } from './entry.js';
import type { Entry } from './entry.js';
import { matchPoint, MemoryIndexedLog } from './replica-log.js';
import { TIMINGS, validateTiming } from './timing.js';

function next(log: MemoryIndexedLog, epoch: number): Entry {
  return makeEntry({
    ver: { gen: 1, epoch },
    seq: log.last + 1,
    timestampMs: 0,
    previous: log.lastChain,
    counts: { keys: 0, bytes: 0 },
    request: undefined,
    result: new Uint8Array(0),
    ops: [{ type: 'clear', through: epoch }],
  });
}

function logOf(epochs: readonly number[]): MemoryIndexedLog {
  const log = new MemoryIndexedLog(APPLIED_NOTHING, []);
  for (const epoch of [...epochs].sort((a, b) => a - b)) log.append(next(log, epoch));
  return log;
}

const epochs = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 });

describe('MemoryIndexedLog', () => {
  it('is the list that it stands for, however it is appended to, cut, trimmed and evicted', () => {
    const action = fc.record({ type: fc.constantFrom('append', 'truncate', 'trim', 'evict'), by: fc.nat(8) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const log = new MemoryIndexedLog(APPLIED_NOTHING, []);
        let model: Entry[] = [];
        let memory = 0;
        let epoch = 1;
        for (const { type, by } of actions) {
          if (type === 'append') {
            epoch += by === 0 ? 1 : 0;
            const entry = next(log, epoch);
            log.append(entry);
            model.push(entry);
          } else if (type === 'truncate') {
            const to = Math.max(memory, log.base, log.last - by);
            log.truncate(to);
            model = model.filter(({ seq }) => seq <= to);
          } else if (type === 'trim') {
            const to = Math.min(log.last, log.base + by);
            log.trim(to);
            model = model.filter(({ seq }) => seq > to);
            memory = Math.max(memory, to);
          } else {
            memory = Math.max(memory, Math.min(log.last, log.base + by));
            log.evict(memory);
          }
          expect(log.last).toBe(log.base + model.length);
          expect(log.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes.length, 0));
          for (const entry of model) {
            expect(log.at(entry.seq)).toBe(entry.seq > memory ? entry : undefined);
            expect(log.verAt(entry.seq)).toEqual(entry.ver);
          }
          const newest = model.at(-1);
          if (newest !== undefined) expect(log.lastChain).toEqual(newest.chain);
        }
      }),
    );
  });
});

describe('the match point of two logs (KIP-101, KIP-279)', () => {
  it('is the last place at which both hold an entry of one version', () => {
    fc.assert(
      fc.property(epochs, epochs, (a, b) => {
        const [ours, theirs] = [logOf(a), logOf(b)];
        let expected = 0;
        for (let seq = 1; seq <= Math.min(ours.last, theirs.last); seq += 1)
          if (ours.verAt(seq)?.epoch === theirs.verAt(seq)?.epoch) expected = seq;
        expect(matchPoint(ours.shape(), theirs.shape())).toBe(expected);
      }),
    );
  });

  it('is unknown when what one holds begins after what the other has', () => {
    const ours = logOf([1, 1]);
    const theirs = logOf([1, 1, 2, 2, 2]);
    theirs.trim(4);
    expect(matchPoint(ours.shape(), theirs.shape())).toBeUndefined();
  });
});

describe('the check of a log at a start', () => {
  const entries = (): Entry[] => {
    const log = logOf([1, 1, 2, 3]);
    return [1, 2, 3, 4].map((seq) => log.at(seq) as Entry);
  };

  it('accepts what was written', () => {
    expect(problemOfLog(APPLIED_NOTHING, entries())).toBeUndefined();
  });

  it('finds a hole, an entry of another log, and an end before what is applied', () => {
    const [first, second, third, fourth] = entries() as [Entry, Entry, Entry, Entry];
    expect(problemOfLog(APPLIED_NOTHING, [first, third])).toMatch(/entry 2 is missing/);
    const stranger = logOf([1, 1, 2]).at(3) as Entry;
    expect(
      problemOfLog(APPLIED_NOTHING, [first, second, { ...stranger, previous: { hi: 1, lo: 1 } }, fourth]),
    ).toMatch(/does not follow/);
    expect(problemOfLog({ ...APPLIED_NOTHING, applied: 5 }, entries())).toMatch(/ends at 4/);
  });
});

describe('the chain', () => {
  it('is MurmurHash3_x86_128, of which published values are known', () => {
    const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
    // From the tests of murmurhash3js-revisited, which compares itself with the reference implementation.
    expect(chainText(chainOf(text('')))).toBe('0000000000000000');
    expect(chainText(chainOf(text('0')))).toBe('0ab2409ea5eb34f8');
    expect(chainText(chainOf(text('01')))).toBe('0f87acb4674f3b21');
    expect(chainText(chainOf(text('012')))).toBe('cd94fea54c13d78e');
    expect(chainText(chainOf(text('0123')))).toBe('dc378fea485d3536');
    expect(chainText(chainOf(text("I will not buy this tobacconist's, it is scratched.")))).toBe(
      '9b5b7ba2ef3f7866',
    );
  });
});

describe('the timing profiles', () => {
  it.each(Object.entries(TIMINGS))('%s fits together', (_name, timing) => {
    expect(validateTiming(timing)).toEqual([]);
  });

  it('a lease that may outlast the promise is refused', () => {
    expect(validateTiming({ ...TIMINGS.default, leaseMs: 2950 })).toEqual([
      expect.stringContaining('graceMs (3000)'),
    ]);
  });
});
