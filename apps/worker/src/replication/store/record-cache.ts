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
 * whole of what a client sent; and half of what a buffer of its own takes, which is four objects. The content type is
 * one that `ownText` made, for the same reason.
 */
interface Entry {
  version: number;
  expireAtMs: number;
  contentType: string | undefined;
  payload: string;
}

/** Most writes replace a record without a look at its payload. */
class CachedRecord implements StoredRecord {
  constructor(
    readonly version: number,
    readonly expireAtMs: number,
    readonly contentType: string | undefined,
    private readonly text: string,
  ) {}

  /** A new one each time, which belongs to the caller. */
  get payload(): Buffer {
    return Buffer.from(this.text, 'latin1');
  }

  get payloadBytes(): number {
    return this.text.length;
  }
}

export class RecordCache {
  private readonly opened: CachedRecords[] = [];
  /** Of the young generations. */
  private youngBytes = 0;

  /** @param maxBytes about, of both generations; 0: nothing is kept. */
  constructor(readonly maxBytes: number) {}

  /** Of one partition. */
  open(): CachedRecords {
    const records = new CachedRecords(this.maxBytes === 0, (bytes) => this.added(bytes));
    this.opened.push(records);
    return records;
  }

  private added(bytes: number): void {
    this.youngBytes += bytes;
    if (this.youngBytes * 2 <= this.maxBytes) return;
    this.youngBytes = 0;
    // Of all partitions: one that nobody asks any more would keep what it has.
    for (const records of this.opened) records.age();
  }
}

export class CachedRecords {
  private young = new Map<string, Entry>();
  private old = new Map<string, Entry>();
  /** What `ownText` made last: most records have the same. */
  private lastText: string | undefined = undefined;

  constructor(
    private readonly isOff: boolean,
    private readonly added: (bytes: number) => void,
  ) {}

  /** By `nameOf` its key. */
  get(name: string): StoredRecord | undefined {
    let entry = this.young.get(name);
    if (entry === undefined) {
      entry = this.old.get(name);
      if (entry === undefined) return undefined;
      this.add(name, entry);
    }
    const { version, expireAtMs, contentType, payload } = entry;
    return new CachedRecord(version, expireAtMs, contentType, payload);
  }

  /** Takes a copy of `record`. */
  set(name: string, { version, expireAtMs, contentType, payload: bytes }: StoredRecord): void {
    if (this.isOff || bytes.length > CACHED_PAYLOAD_BYTES_MAX) {
      this.delete(name);
      return;
    }
    const payload = bytes.toString('latin1');
    const entry = this.young.get(name);
    if (entry === undefined) {
      this.add(name, { version, expireAtMs, contentType: this.ownText(contentType), payload });
      return;
    }
    this.added(payload.length - entry.payload.length);
    entry.version = version;
    entry.expireAtMs = expireAtMs;
    if (entry.contentType !== contentType) entry.contentType = this.ownText(contentType);
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

  /** Lets the old generation go. */
  age(): void {
    this.old = this.young;
    this.young = new Map();
  }

  /** V8 may have made `text` a view into the whole head of a request. */
  private ownText(text: string | undefined): string | undefined {
    if (text !== this.lastText) this.lastText = text === undefined ? text : Buffer.from(text).toString();
    return this.lastText;
  }

  private add(name: string, entry: Entry): void {
    this.young.set(name, entry);
    this.added(ENTRY_OVERHEAD_BYTES + name.length + entry.payload.length);
  }
}
