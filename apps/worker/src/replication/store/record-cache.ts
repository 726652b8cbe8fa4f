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
 * A write keeps the payload only if somebody asked for it since the write before. Of most records that are written again
 * and again nobody asks for the payload in between: what they need is the rest, for the next write to know what it
 * replaces.
 *
 * What is true of an entry, and by whom it is kept true, is written in seat.ts.
 */
import { invariant } from '@diststore/base';
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
  /** Undefined: not kept. */
  payload: string | undefined;
  payloadBytes: number;
  /** Whether somebody asked for the payload since it was written. */
  isAskedFor: boolean;
}

/** Reads the record from the store. */
export type LoadRecord = (key: Buffer) => StoredRecord;

/** What is known of a record: all of it but the payload, which is found when somebody asks for it. */
class KnownRecord implements StoredRecord {
  /** An operation may ask again and again, and for many copies at once. */
  private found: Buffer | undefined = undefined;
  readonly version: number;
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly payloadBytes: number;

  constructor(
    private readonly entry: Entry,
    private readonly key: Buffer,
    private readonly load: LoadRecord,
  ) {
    this.version = entry.version;
    this.expireAtMs = entry.expireAtMs;
    this.contentType = entry.contentType;
    this.payloadBytes = entry.payloadBytes;
  }

  get payload(): Buffer {
    const { version, entry } = this;
    invariant(entry.version === version, 'a record is known until the next write of it', { version });
    entry.isAskedFor = true;
    return (this.found ??= this.find());
  }

  private find(): Buffer {
    const { version, entry } = this;
    if (entry.payload !== undefined) return Buffer.from(entry.payload, 'latin1');
    const stored = this.load(this.key);
    invariant(stored.version === version, 'what is known is what is stored', { version });
    return stored.payload;
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

  /** The record of this name (`nameOf` its key), if its payload is kept. The payload belongs to the caller. */
  get(name: string): StoredRecord | undefined {
    const entry = this.find(name);
    if (entry === undefined) return undefined;
    entry.isAskedFor = true;
    if (entry.payload === undefined) return undefined;
    const { version, expireAtMs, contentType, payload } = entry;
    return { version, expireAtMs, contentType, payload: Buffer.from(payload, 'latin1') };
  }

  /**
   * What is known of the record, good until the next write of it. Its payload is not to be changed.
   * @param load called when somebody asks for a payload that is not kept; what it throws is thrown there.
   */
  known(name: string, key: Buffer, load: LoadRecord): StoredRecord | undefined {
    const entry = this.find(name);
    return entry === undefined ? undefined : new KnownRecord(entry, key, load);
  }

  /** Takes a copy of what was read. */
  noteRead(name: string, record: StoredRecord): void {
    this.set(name, record, true);
  }

  /** Takes a copy of what was written. */
  noteWritten(name: string, record: StoredRecord): void {
    this.set(name, record, false);
  }

  private find(name: string): Entry | undefined {
    const young = this.young.get(name);
    if (young !== undefined) return young;
    const entry = this.old.get(name);
    if (entry !== undefined) this.add(name, entry);
    return entry;
  }

  private set(name: string, record: StoredRecord, isAskedFor: boolean): void {
    if (this.isOff) return;
    const { version, expireAtMs, contentType, payload: bytes } = record;
    const payloadBytes = bytes.length;
    const entry = this.young.get(name);
    const keeps = (isAskedFor || entry?.isAskedFor === true) && payloadBytes <= CACHED_PAYLOAD_BYTES_MAX;
    const payload = keeps ? bytes.toString('latin1') : undefined;
    if (entry === undefined) {
      const ownType = this.ownText(contentType);
      this.add(name, { version, expireAtMs, contentType: ownType, payload, payloadBytes, isAskedFor });
      return;
    }
    this.added(keptBytes(payload) - keptBytes(entry.payload));
    entry.version = version;
    entry.expireAtMs = expireAtMs;
    if (entry.contentType !== contentType) entry.contentType = this.ownText(contentType);
    entry.payload = payload;
    entry.payloadBytes = payloadBytes;
    entry.isAskedFor = isAskedFor;
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
    this.added(ENTRY_OVERHEAD_BYTES + name.length + keptBytes(entry.payload));
  }
}

function keptBytes(payload: string | undefined): number {
  return payload === undefined ? 0 : payload.length;
}
