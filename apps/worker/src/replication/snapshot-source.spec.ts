import { describe, expect, it } from '@jest/globals';
import { partitionId, workerIndex } from '@diststore/cluster';
import { APPLIED_NOTHING } from '@diststore/replication';
import type { ReplicaEvent, SnapshotRow } from '@diststore/replication';
import { eventually } from '@diststore/testing';

import { SNAPSHOT_AGAIN_MS } from './limits.js';
import { SnapshotSource } from './snapshot-source.js';
import type { SnapshotReader } from './snapshot-source.js';

const P = partitionId(1);
const TO = workerIndex(2);
const ROW: SnapshotRow = { key: Buffer.from('k'), value: Buffer.alloc(99) };

class Bench {
  readonly told: ReplicaEvent[] = [];
  readonly noted: string[] = [];
  readonly reports: string[] = [];
  closed = 0;
  nowMs = 0;
  failing = false;
  readonly source: SnapshotSource;

  constructor(chunks = 2, bytesPerSecond = 1e9) {
    this.source = new SnapshotSource({
      open: () => Promise.resolve(this.reader(chunks)),
      sessionsMax: 2,
      bytesPerSecond,
      observer: { snapshot: (_partition, _to, what) => this.noted.push(what) },
      nowMs: () => this.nowMs,
      report: (problem) => this.reports.push(problem),
    });
  }

  private reader(chunks: number): SnapshotReader {
    let read = 0;
    return {
      state: { ...APPLIED_NOTHING, applied: 5 },
      next: () => {
        if (this.failing) return Promise.reject(new Error('a damaged row'));
        read += 1;
        return Promise.resolve({ rows: [ROW], done: read === chunks, lost: 0 });
      },
      close: () => {
        this.closed += 1;
        return Promise.resolve();
      },
    };
  }

  open(snapshotId: number): void {
    this.source.open({ partition: P, snapshotId, to: TO }, (event) => this.told.push(event));
  }

  read(snapshotId: number, index: number): void {
    this.source.read({ partition: P, snapshotId, index });
  }
}

describe('SnapshotSource', () => {
  it('opens, reads chunk by chunk and closes as it is told', async () => {
    const bench = new Bench();
    bench.open(1);
    await eventually('it is open', () => bench.told.length === 1);
    bench.read(1, 1);
    await eventually('the first chunk is read', () => bench.told.length === 2);
    bench.read(1, 2);
    await eventually('the last chunk is read', () => bench.told.length === 3);
    bench.source.close(P, 1);
    expect(bench.told).toEqual([
      { type: 'snapshotOpened', snapshotId: 1, state: { ...APPLIED_NOTHING, applied: 5 } },
      { type: 'snapshotRead', snapshotId: 1, index: 1, rows: [ROW], done: false },
      { type: 'snapshotRead', snapshotId: 1, index: 2, rows: [ROW], done: true },
    ]);
    expect(bench.noted).toEqual(['begun', 'sent']);
    expect(bench.closed).toBe(1);
    expect(bench.source.count).toBe(0);
  });

  it('fails a session beyond the bound at once, and takes it when another has ended', async () => {
    const bench = new Bench();
    for (const id of [1, 2, 3]) bench.open(id);
    await eventually('the third has failed', () =>
      bench.told.some((event) => event.type === 'snapshotFailed' && event.snapshotId === 3),
    );
    expect(bench.source.count).toBe(2);
    bench.source.close(P, 1);
    bench.open(4);
    await eventually('the fourth is open', () =>
      bench.told.some((event) => event.type === 'snapshotOpened' && event.snapshotId === 4),
    );
    expect(bench.noted).toEqual(['begun', 'begun', 'given-up', 'begun']);
  });

  it('reads no faster than it may', async () => {
    const bench = new Bench(10, 10_000);
    bench.open(1);
    await eventually('it is open', () => bench.told.length === 1);
    // 100 bytes at 10,000 a second, on a clock that stands still: 10 ms each, one behind the other.
    const startMs = performance.now();
    for (const index of [1, 2, 3]) {
      bench.read(1, index);
      await eventually('the chunk is read', () => bench.told.length === index + 1);
    }
    expect(performance.now() - startMs).toBeGreaterThan(10 + 20 + 30 - 5);
    bench.source.closeAll();
  });

  it('says so when it cannot go on, and lets the snapshot go', async () => {
    const bench = new Bench();
    bench.open(1);
    await eventually('it is open', () => bench.told.length === 1);
    bench.failing = true;
    bench.read(1, 1);
    await eventually('it has failed', () => bench.told.length === 2);
    expect(bench.told[1]).toEqual({ type: 'snapshotFailed', snapshotId: 1 });
    expect(bench.reports[0]).toContain('a damaged row');
    expect(bench.closed).toBe(1);
    expect(bench.source.count).toBe(0);
  });

  it('reads what could not be read again after a while only, and says so once for each reason', async () => {
    const bench = new Bench();
    bench.failing = true;
    const fail = async (snapshotId: number): Promise<void> => {
      const before = bench.told.length;
      bench.open(snapshotId);
      await eventually('it is open', () => bench.told.length === before + 1);
      bench.read(snapshotId, 1);
      await eventually('it has failed', () => bench.told.length === before + 2);
    };
    await fail(1);
    bench.nowMs = SNAPSHOT_AGAIN_MS - 1;
    bench.open(2);
    await eventually('it has failed at once', () => bench.told.length === 3);
    expect(bench.told[2]).toEqual({ type: 'snapshotFailed', snapshotId: 2 });
    expect(bench.noted).toEqual(['begun', 'given-up']);
    bench.nowMs = SNAPSHOT_AGAIN_MS;
    await fail(3);
    expect(bench.noted).toEqual(['begun', 'given-up', 'begun', 'given-up']);
    expect(bench.reports).toHaveLength(1);
  });

  it('closes a snapshot that was opened too late, and tells nobody', async () => {
    const bench = new Bench();
    bench.open(1);
    bench.source.closeAll(P);
    await eventually('it is closed', () => bench.closed === 1);
    expect(bench.told).toEqual([]);
  });
});
