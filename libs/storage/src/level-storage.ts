/**
 * Storage on LevelDB, through the `level` package. Adds to LevelDB what the port promises: group commit with an
 * fsync for every batch, clear errors, and the refusal to open what is damaged.
 *
 * Every batch is synced, without exception: LevelDB does not sync the old log when it rotates to a new one, so an
 * unsynced batch may vanish although a later synced one survives (google/leveldb issue 193).
 */
import { invariant, StoreError } from '@diststore/base';
import { Level } from 'level';

import { codeOf, messageOf, reasonOf } from './caught.js';
import { databasePath, describeOwner, prepareDirectory, removeOwner, writeOwner } from './data-directory.js';
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

type Database = Level<Buffer, Buffer>;
type LevelSnapshot = ReturnType<Database['snapshot']>;

export interface LevelStorageOptions {
  /** The process's directory; LevelDB lives in `db/` below it. Created when missing. */
  readonly directory: string;
  /** What opens it, for the error that another process gets: `worker 1`. */
  readonly owner: string;
  /** LevelDB's cache of uncompressed blocks. */
  readonly cacheBytes?: number;
  /** Size of LevelDB's memory table, and so of its log. Larger: fewer compactions, a longer start. */
  readonly writeBufferBytes?: number;
  /** How much of the tables to check before opening, the newest first. Larger: more is known, a longer start. */
  readonly tableCheckBytes?: number;
  readonly observer?: StorageObserver;
}

const CACHE_BYTES_DEFAULT = 32 * 1024 * 1024;
const WRITE_BUFFER_BYTES_DEFAULT = 16 * 1024 * 1024;
/** About half a second of a start. */
const TABLE_CHECK_BYTES_DEFAULT = 256 * 1024 * 1024;

/** A synchronous read that takes longer than this went to disk or was large: go asynchronous for a while. */
const SLOW_READ_MS = 0.5;
/** For so many reads. Then one synchronous read probes again, so cold data costs one stall in so many. */
const ASYNC_READS_AFTER_SLOW = 64;

class LevelReader {
  constructor(
    protected readonly db: Database,
    private readonly at?: LevelSnapshot,
  ) {}

  async get(key: Buffer): Promise<Buffer | undefined> {
    try {
      return await this.db.get(key, this.readOptions);
    } catch (error) {
      throw readError(error);
    }
  }

  getSync(key: Buffer): Buffer | undefined {
    try {
      return this.db.getSync(key, this.readOptions);
    } catch (error) {
      throw readError(error);
    }
  }

  async page(
    range: KeyRange,
    { limit = PAGE_ENTRIES_MAX, reverse = false }: PageOptions = {},
  ): Promise<Page> {
    invariant(limit >= 1 && limit <= PAGE_ENTRIES_MAX, 'a page has 1 to PAGE_ENTRIES_MAX entries', { limit });
    try {
      const iterator = this.db.iterator({
        ...this.readOptions,
        gte: range.gte,
        lt: range.lt,
        reverse,
        // One beyond the page, so that `done` is known without another read.
        limit: limit + 1,
        highWaterMarkBytes: PAGE_BYTES_MAX,
        // A scan must not push the working set out of the cache.
        fillCache: false,
      });
      try {
        return await collect(iterator, limit);
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw readError(error);
    }
  }

  private get readOptions(): { snapshot?: LevelSnapshot } {
    return this.at === undefined ? {} : { snapshot: this.at };
  }
}

async function collect(
  iterator: { nextv(size: number): Promise<[Buffer, Buffer][]> },
  limit: number,
): Promise<Page> {
  const entries: Entry[] = [];
  let bytes = 0;
  for (;;) {
    // A full page needs no more than to know whether anything follows.
    const wanted = bytes > PAGE_BYTES_MAX ? 1 : limit + 1 - entries.length;
    // Ends early at highWaterMarkBytes; empty at the end of the range.
    const step = await iterator.nextv(wanted);
    if (step.length === 0) return { entries, done: true };
    for (const [key, value] of step) {
      if (entries.length === limit || bytes > PAGE_BYTES_MAX) return { entries, done: false };
      entries.push({ key, value });
      bytes += key.length + value.length;
    }
  }
}

class LevelSnapshotReader extends LevelReader implements Snapshot {
  constructor(
    db: Database,
    private readonly snapshot: LevelSnapshot,
  ) {
    super(db, snapshot);
  }

  async close(): Promise<void> {
    await this.snapshot.close();
  }
}

export class LevelStorage extends LevelReader implements Storage {
  private readonly commits: GroupCommit;
  private asyncReadsLeft = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    db: Database,
    private readonly directory: string,
    observer: StorageObserver | undefined,
  ) {
    super(db);
    this.commits = new GroupCommit((ops) => commitSynced(db, ops), observer);
  }

  /**
   * Opens the store, creating it when the directory is missing or empty. LevelDB replays its log here: up to
   * `writeBufferBytes` of it.
   * @throws StoreError store-locked naming the holder; store-unusable; store-corrupt.
   */
  static async open(options: LevelStorageOptions): Promise<LevelStorage> {
    const { directory, owner } = options;
    await prepareDirectory(directory, options.tableCheckBytes ?? TABLE_CHECK_BYTES_DEFAULT);
    const db: Database = new Level(databasePath(directory), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      cacheSize: options.cacheBytes ?? CACHE_BYTES_DEFAULT,
      writeBufferSize: options.writeBufferBytes ?? WRITE_BUFFER_BYTES_DEFAULT,
    });
    try {
      await db.open();
    } catch (error) {
      throw await openError(error, directory);
    }
    await writeOwner(directory, { pid: process.pid, name: owner, since: new Date().toISOString() });
    return new LevelStorage(db, directory, options.observer);
  }

  read(key: Buffer): Buffer | undefined | Promise<Buffer | undefined> {
    if (this.asyncReadsLeft > 0) {
      this.asyncReadsLeft -= 1;
      return this.get(key);
    }
    const startMs = performance.now();
    const value = this.getSync(key);
    if (performance.now() - startMs > SLOW_READ_MS) this.asyncReadsLeft = ASYNC_READS_AFTER_SLOW;
    return value;
  }

  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    return this.commits.write(ops, trailer);
  }

  snapshot(): Snapshot {
    if (this.closing !== undefined) throw new StoreError('store-closed', 'The store is closed.');
    return new LevelSnapshotReader(this.db, this.db.snapshot());
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    await this.commits.close();
    await removeOwner(this.directory);
    await this.db.close();
  }
}

/** A chained batch, not an array: the array form clones and checks every operation, at three times the cost. */
async function commitSynced(db: Database, ops: readonly WriteOp[]): Promise<void> {
  const batch = db.batch();
  try {
    for (const op of ops) {
      if (op.type === 'put') batch.put(op.key, op.value);
      else batch.del(op.key);
    }
  } catch (error) {
    await batch.close();
    throw error;
  }
  await batch.write({ sync: true });
}

/**
 * LevelDB reports its own checks as `Corruption:`; a file that is missing, shorter than it was written or unreadable
 * comes as an `IO error:`.
 */
function isDamage(error: unknown): boolean {
  return (
    codeOf(error) === 'LEVEL_CORRUPTION' ||
    /Corruption:|IO error: [^]*: (No such file|Invalid argument|Input\/output error)/.test(messageOf(error))
  );
}

async function openError(error: unknown, directory: string): Promise<StoreError> {
  // abstract-level wraps the reason.
  const cause = reasonOf(error);
  const facts = { directory };
  if (codeOf(cause) === 'LEVEL_LOCKED') {
    const holder = await describeOwner(directory);
    return new StoreError('store-locked', `The data directory ${directory} is open in ${holder}.`, {
      cause,
      facts,
    });
  }
  const detail = `LevelDB cannot open ${databasePath(directory)}: ${messageOf(cause)}.`;
  return new StoreError(isDamage(cause) ? 'store-corrupt' : 'store-unusable', detail, { cause, facts });
}

function readError(error: unknown): unknown {
  const code = codeOf(error);
  if (
    code === 'LEVEL_DATABASE_NOT_OPEN' ||
    code === 'LEVEL_SNAPSHOT_NOT_OPEN' ||
    code === 'LEVEL_ITERATOR_NOT_OPEN'
  ) {
    return new StoreError('store-closed', 'The store or snapshot is closed.', { cause: error });
  }
  if (isDamage(error)) {
    return new StoreError('store-corrupt', `LevelDB found damage: ${messageOf(error)}.`, { cause: error });
  }
  return error;
}
