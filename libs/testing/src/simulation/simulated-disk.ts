/**
 * The disk of one worker: what is durable, per partition, and the one commit loop in front of it. One batch is in
 * flight at a time; whatever is queued meanwhile goes into the next. A crash loses the queue, and the batch in flight
 * is there as a whole or not at all.
 */
import { invariant } from '@diststore/base';
import { APPLIED_NOTHING, chainText, keyName } from '@diststore/replication';
import type {
  AppliedState,
  Chain,
  DurableWrite,
  Effect,
  Entry,
  FinishedRequest,
  InstalledState,
  Seq,
  SnapshotRow,
  StoredRecord,
} from '@diststore/replication';

export interface PartitionRows {
  installed: InstalledState | undefined;
  applied: AppliedState;
  /** By sequence number. */
  log: Map<Seq, Entry>;
  data: Map<string, StoredRecord>;
  /** Keys of `data` whose records are damaged, until they are written anew. What they held is there for the checker. */
  unreadable: Set<string>;
  finished: Map<string, FinishedRequest>;
}

export type PersistEffect = Extract<Effect, { type: 'persist' }>;

export function emptyRows(): PartitionRows {
  return {
    installed: undefined,
    applied: APPLIED_NOTHING,
    log: new Map(),
    data: new Map(),
    unreadable: new Set(),
    finished: new Map(),
  };
}

/** What a disk does by itself that somebody may want to check. */
export interface DiskObserver {
  applied(partition: number, entries: readonly Entry[]): void;
}

export class SimulatedDisk {
  readonly partitions = new Map<number, PartitionRows>();

  constructor(private readonly observer: DiskObserver) {}

  rows(partition: number): PartitionRows {
    let rows = this.partitions.get(partition);
    if (rows === undefined) {
      rows = emptyRows();
      this.partitions.set(partition, rows);
    }
    return rows;
  }

  /** Makes one effect durable. */
  write(partition: number, { writes }: Pick<PersistEffect, 'writes'>): void {
    const rows = this.rows(partition);
    for (const write of writes) this.writeOne(partition, rows, write);
  }

  /** The same at this moment, for a disk that is to be rolled back to it. */
  copy(): SimulatedDisk {
    const copy = new SimulatedDisk(this.observer);
    for (const [partition, { installed, applied, log, data, unreadable, finished }] of this.partitions)
      copy.partitions.set(partition, {
        installed,
        applied,
        log: new Map(log),
        data: new Map(data),
        unreadable: new Set(unreadable),
        finished: new Map(finished),
      });
    return copy;
  }

  /** The chain of the entry at `seq`, or undefined if it is not there, or is no longer told apart. */
  chainAt(partition: number, seq: Seq): Chain | undefined {
    const { applied, log } = this.rows(partition);
    return seq === applied.applied ? applied.chain : log.get(seq)?.chain;
  }

  lastSeq(partition: number): Seq {
    const { applied, log } = this.rows(partition);
    let seq = applied.applied;
    while (log.has(seq + 1)) seq += 1;
    return seq;
  }

  private writeOne(partition: number, rows: PartitionRows, write: DurableWrite): void {
    switch (write.type) {
      case 'installed':
        rows.installed = write.state;
        return;
      case 'append':
        for (const entry of write.entries) {
          invariant(entry.bytes.length > 0, 'only what was made for a log is logged', { seq: entry.seq });
          rows.log.set(entry.seq, entry);
        }
        return;
      case 'truncate':
        for (let seq = write.after + 1; seq <= write.through; seq += 1) rows.log.delete(seq);
        return;
      case 'apply':
        this.observer.applied(partition, write.entries);
        for (const entry of write.entries) applyEntry(rows, entry);
        invariant(write.state.applied === write.entries.at(-1)?.seq, 'row 02 says what was applied');
        rows.applied = write.state;
        return;
      case 'trim':
        for (let seq = write.after + 1; seq <= write.through; seq += 1) rows.log.delete(seq);
        rows.applied = write.state;
        return;
      case 'erase':
        rows.log.clear();
        rows.data.clear();
        rows.unreadable.clear();
        rows.finished.clear();
        rows.applied = APPLIED_NOTHING;
        return;
      case 'rows':
        for (const row of write.rows) loadRow(rows, row);
        return;
      case 'state':
        rows.applied = write.state;
        return;
    }
  }
}

function applyEntry(rows: PartitionRows, entry: Entry): void {
  for (const op of entry.ops) {
    if (op.type === 'clear') {
      for (const [name, record] of rows.data) {
        if (record.version > op.through) continue;
        rows.data.delete(name);
        rows.unreadable.delete(name);
      }
      continue;
    }
    const name = keyName(op.key);
    rows.unreadable.delete(name);
    const old = rows.data.get(name);
    invariant(old === undefined || old.version < entry.seq, 'versions of a key only grow', {
      name,
      seq: entry.seq,
    });
    if (op.type === 'del') rows.data.delete(name);
    else
      rows.data.set(name, {
        version: entry.seq,
        expireAtMs: op.expireAtMs,
        contentType: op.contentType,
        payload: op.payload,
      });
  }
  if (entry.request !== undefined)
    rows.finished.set(entry.request.id, {
      seq: entry.seq,
      fingerprint: entry.request.fingerprint,
      result: entry.result,
    });
}

/** The rows of a snapshot as a real host would make them, but as texts. */
export function snapshotRows(rows: PartitionRows): SnapshotRow[] {
  const all: SnapshotRow[] = [];
  for (const [name, record] of rows.data)
    all.push({
      key: bytesOf(`d${name}`),
      value: bytesOf(`${record.version} ${record.expireAtMs} ${keyName(record.payload)}`),
    });
  for (const [id, { seq, fingerprint, result }] of rows.finished)
    all.push({
      key: bytesOf(`r${id}`),
      value: bytesOf(`${seq} ${fingerprint.hi} ${fingerprint.lo} ${keyName(result)}`),
    });
  return all;
}

function loadRow(rows: PartitionRows, { key, value }: SnapshotRow): void {
  const name = keyName(key.subarray(1));
  const text = keyName(value);
  if (key[0] === 0x64) {
    const [version, expireAtMs, payload] = text.split(' ', 3) as [string, string, string];
    rows.data.set(name, {
      version: Number(version),
      expireAtMs: Number(expireAtMs),
      contentType: undefined,
      payload: bytesOf(payload),
    });
    return;
  }
  const [seq, hi, lo] = text.split(' ', 3).map(Number) as [number, number, number];
  const result = bytesOf(text.slice(`${seq} ${hi} ${lo} `.length));
  rows.finished.set(name, { seq, fingerprint: { hi, lo }, result });
}

/** What two replicas at the same sequence number must have in common. */
export function digestOf(rows: PartitionRows): string {
  const data = [...rows.data]
    .map(([name, { version, expireAtMs, payload }]) => `${name}=${version}:${expireAtMs}:${keyName(payload)}`)
    .sort();
  const finished = [...rows.finished].map(([id, { seq }]) => `${id}@${seq}`).sort();
  const { applied, chain, counts, clearedThrough } = rows.applied;
  return JSON.stringify([applied, chainText(chain), counts, clearedThrough, data, finished]);
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
