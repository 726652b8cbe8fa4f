/**
 * Storage in memory: for tests, and for a worker that is asked to be a cache (`--storage=memory`). It keeps every
 * promise of the port except the one that needs a disk: nothing survives the process.
 *
 * A sorted array of keys beside a hash map. Inserting a new key moves the array's tail, which is fast up to some
 * hundred thousand keys; it is not meant for more.
 */
import { invariant, StoreError } from '@diststore/base';

import { GroupCommit } from './group-commit.js';
import { PAGE_BYTES_MAX, PAGE_ENTRIES_MAX } from './limits.js';
import type {
  Entry,
  KeyRange,
  Page,
  PageOptions,
  Snapshot,
  Storage,
  StorageObserver,
  Trailer,
  WriteOp,
} from './storage.js';

/** Keys as latin1 strings: one character per byte, so that string order is byte order. */
class SortedMap {
  private constructor(
    private readonly keys: string[],
    private readonly values: Map<string, Buffer>,
  ) {}

  static empty(): SortedMap {
    return new SortedMap([], new Map());
  }

  copy(): SortedMap {
    return new SortedMap([...this.keys], new Map(this.values));
  }

  get(key: Buffer): Buffer | undefined {
    const value = this.values.get(key.toString('latin1'));
    // A copy, because the port gives the buffer away.
    return value === undefined ? undefined : Buffer.from(value);
  }

  apply(op: WriteOp): void {
    const key = op.key.toString('latin1');
    if (op.type === 'put') {
      if (!this.values.has(key)) this.keys.splice(this.lowerBound(key), 0, key);
      this.values.set(key, Buffer.from(op.value));
    } else if (this.values.delete(key)) {
      this.keys.splice(this.lowerBound(key), 1);
    }
  }

  page(range: KeyRange, { limit = PAGE_ENTRIES_MAX, reverse = false }: PageOptions): Page {
    invariant(limit >= 1 && limit <= PAGE_ENTRIES_MAX, 'a page has 1 to PAGE_ENTRIES_MAX entries', { limit });
    const from = this.lowerBound(range.gte.toString('latin1'));
    const to = Math.max(from, this.lowerBound(range.lt.toString('latin1')));
    const entries: Entry[] = [];
    let bytes = 0;
    for (let i = 0; i < to - from; i += 1) {
      if (entries.length === limit || bytes > PAGE_BYTES_MAX) return { entries, done: false };
      const key = this.keys[reverse ? to - 1 - i : from + i] ?? '';
      const entry = { key: Buffer.from(key, 'latin1'), value: Buffer.from(this.values.get(key) ?? []) };
      bytes += entry.key.length + entry.value.length;
      entries.push(entry);
    }
    return { entries, done: true };
  }

  /** Index of the first key that is not below `key`. */
  private lowerBound(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

class MemoryReader {
  protected closed = false;

  constructor(protected readonly map: SortedMap) {}

  getSync(key: Buffer): Buffer | undefined {
    if (this.closed) throw new StoreError('store-closed', 'The store or snapshot is closed.');
    return this.map.get(key);
  }

  // Async, so that a closed store rejects instead of throwing, as every provider does.
  // oxlint-disable-next-line typescript/require-await
  async get(key: Buffer): Promise<Buffer | undefined> {
    return this.getSync(key);
  }

  // oxlint-disable-next-line typescript/require-await
  async page(range: KeyRange, options: PageOptions = {}): Promise<Page> {
    if (this.closed) throw new StoreError('store-closed', 'The store or snapshot is closed.');
    return this.map.page(range, options);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

export class MemoryStorage extends MemoryReader implements Storage {
  private readonly commits: GroupCommit;

  constructor(observer: StorageObserver = {}) {
    const map = SortedMap.empty();
    super(map);
    this.commits = new GroupCommit((ops) => {
      for (const op of ops) map.apply(op);
      return Promise.resolve();
    }, observer);
  }

  read(key: Buffer): Buffer | undefined {
    return this.getSync(key);
  }

  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    return this.commits.write(ops, trailer);
  }

  snapshot(): Snapshot {
    if (this.closed) throw new StoreError('store-closed', 'The store is closed.');
    return new MemoryReader(this.map.copy());
  }

  override async close(): Promise<void> {
    await this.commits.close();
    await super.close();
  }
}
