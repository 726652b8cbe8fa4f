/**
 * Records of partitions that are led from here, as their data has them: what is read or was just written, so that the
 * next read and the next write of the same key do not ask LevelDB. One bound for all partitions of the worker.
 *
 *     set ──► young ──enough written──► old ──again──► gone
 *               ▲                        │
 *               └────────── get ─────────┘
 *
 * Two generations and no list of uses: what is asked for in time moves to the younger one, the rest goes as a whole.
 * That is as good as exact order for what a cache is for, and costs no pointers and no deletes, which V8's maps pay
 * dearly (see PendingWrites).
 *
 * What is true of an entry, and by whom it is kept true, is written in seat.ts.
 */
import type { StoredRecord } from '@diststore/storage';

/** A larger payload is read from LevelDB each time: the cost of asking is small beside that of moving it. */
export const CACHED_PAYLOAD_BYTES_MAX = 16 * 1024;

/** What an entry takes besides its key and payload, about: an object, two strings and a place in a map. */
const ENTRY_OVERHEAD_BYTES = 200;

/**
 * The payload is kept as a string of one character per byte. That is memory of its own, where a view would hold the
 * whole of what a client sent; and half of what a buffer of its own takes, which is four objects.
 */
interface Entry {
  version: number;
  expireAtMs: number;
  contentType: string | undefined;
  payload: string;
}

export class RecordCache {
  /** How often the young generation has become the old one. */
  private turn = 0;
  /** Of the young generation. */
  private youngBytes = 0;

  /** @param maxBytes about, of both generations; 0: nothing is kept. */
  constructor(readonly maxBytes: number) {}

  /** Of one partition. */
  open(): CachedRecords {
    return new CachedRecords({
      isOff: this.maxBytes === 0,
      turn: () => this.turn,
      added: (bytes) => this.added(bytes),
    });
  }

  private added(bytes: number): void {
    this.youngBytes += bytes;
    if (this.youngBytes * 2 <= this.maxBytes) return;
    this.turn += 1;
    this.youngBytes = 0;
  }
}

interface Shared {
  readonly isOff: boolean;
  readonly turn: () => number;
  readonly added: (bytes: number) => void;
}

export class CachedRecords {
  private young = new Map<string, Entry>();
  private old = new Map<string, Entry>();
  private turn = 0;

  constructor(private readonly shared: Shared) {}

  /** By `nameOf` its key. The payload belongs to the caller. */
  get(name: string): StoredRecord | undefined {
    this.takeTurn();
    let entry = this.young.get(name);
    if (entry === undefined) {
      entry = this.old.get(name);
      if (entry === undefined) return undefined;
      this.add(name, entry);
    }
    const { version, expireAtMs, contentType, payload } = entry;
    return { version, expireAtMs, contentType, payload: Buffer.from(payload, 'latin1') };
  }

  /** Takes a copy of `record`. */
  set(name: string, { version, expireAtMs, contentType, payload: bytes }: StoredRecord): void {
    if (this.shared.isOff || bytes.length > CACHED_PAYLOAD_BYTES_MAX) {
      this.delete(name);
      return;
    }
    this.takeTurn();
    const payload = bytes.toString('latin1');
    const entry = this.young.get(name);
    if (entry === undefined) {
      this.add(name, { version, expireAtMs, contentType, payload });
      return;
    }
    this.shared.added(payload.length - entry.payload.length);
    entry.version = version;
    entry.expireAtMs = expireAtMs;
    entry.contentType = contentType;
    entry.payload = payload;
  }

  delete(name: string): void {
    this.young.delete(name);
    this.old.delete(name);
  }

  clear(): void {
    this.young = new Map();
    this.old = new Map();
  }

  private add(name: string, entry: Entry): void {
    this.young.set(name, entry);
    this.shared.added(ENTRY_OVERHEAD_BYTES + name.length + entry.payload.length);
  }

  private takeTurn(): void {
    const turn = this.shared.turn();
    if (turn === this.turn) return;
    this.old = turn === this.turn + 1 ? this.young : new Map<string, Entry>();
    this.young = new Map();
    this.turn = turn;
  }
}
