/** What a worker reads from its disk for a replica that gives others what they lack. */
import type { Effect, Entry, SnapshotRow } from '@diststore/replication';

import { snapshotRows } from './simulated-disk.js';
import type { WorkerHost } from './worker-host.js';

const ROWS_PER_CHUNK = 6;
const READ_MS = 1;

export class SnapshotReader {
  private readonly open = new Map<string, readonly SnapshotRow[]>();

  constructor(private readonly host: WorkerHost) {}

  crash(): void {
    this.open.clear();
  }

  readLog(partition: number, { worker, from, through }: Extract<Effect, { type: 'readLog' }>): void {
    const { log } = this.host.disk.rows(partition);
    const entries: Entry[] = [];
    for (let seq = from; seq <= through; seq += 1) {
      const entry = log.get(seq);
      if (entry === undefined) break;
      entries.push(entry);
    }
    this.host.life.later(READ_MS, () => this.host.step(partition, { type: 'logRead', worker, entries }));
  }

  begin(partition: number, snapshotId: number): void {
    this.host.life.later(READ_MS, () => {
      const rows = this.host.disk.rows(partition);
      if (rows.unreadable.size > 0) {
        this.host.meetDamage(partition);
        this.host.step(partition, { type: 'snapshotFailed', snapshotId });
        return;
      }
      this.open.set(`${partition}:${snapshotId}`, snapshotRows(rows));
      this.host.step(partition, { type: 'snapshotOpened', snapshotId, state: rows.applied });
    });
  }

  readChunk(partition: number, snapshotId: number, index: number): void {
    this.host.life.later(READ_MS, () => {
      const all = this.open.get(`${partition}:${snapshotId}`);
      if (all === undefined) return;
      const rows = all.slice((index - 1) * ROWS_PER_CHUNK, index * ROWS_PER_CHUNK);
      const done = index * ROWS_PER_CHUNK >= all.length;
      this.host.step(partition, { type: 'snapshotRead', snapshotId, index, rows, done });
    });
  }

  close(partition: number, snapshotId: number): void {
    this.open.delete(`${partition}:${snapshotId}`);
  }
}
