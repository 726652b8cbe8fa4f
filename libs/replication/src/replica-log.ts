/**
 * The log of one replica as the replica sees it: which entries there are, of which versions, and the newest of them
 * in memory. The rows themselves are the host's; a replica that needs an entry that is no longer in memory asks the
 * host to read it.
 *
 *     base          memoryBase        durable, applied, committed …        last
 *      |  on disk only  |   in memory, and on disk as soon as durable        |
 *
 * Invariants: sequence numbers are dense; versions never fall; each entry names the chain of the one before.
 */
import { invariant } from '@diststore/base';

import { sameChain } from './chain.js';
import type { Chain } from './chain.js';
import type { AppliedState } from './durable-state.js';
import { compareEntryVer } from './entry.js';
import type { Entry, EntryVer, Seq } from './entry.js';
import { SEGMENTS_MAX } from './limits.js';
import type { LogShape, Segment } from './message.js';

/** What a replica needs of its log. A separate segment file would stand behind the same words. */
export interface ReplicaLog extends LogShape {
  readonly lastVer: EntryVer;
  readonly lastChain: Chain;
  /** The entry, if it is in memory. */
  at(seq: Seq): Entry | undefined;
  verAt(seq: Seq): EntryVer | undefined;
  chainAt(seq: Seq): Chain | undefined;
  append(entry: Entry): void;
  /** Drops every entry above `seq`. */
  truncate(seq: Seq): void;
  /** Forgets every entry up to `seq`, which becomes the base. */
  trim(seq: Seq): void;
  shape(): LogShape;
}

/** What an entry takes in memory besides its bytes, about. */
const ENTRY_OVERHEAD_BYTES = 300;

export class MemoryIndexedLog implements ReplicaLog {
  base: Seq;
  baseVer: EntryVer;
  last: Seq;
  lastVer: EntryVer;
  lastChain: Chain;
  segments: Segment[] = [];
  /** Entries `memoryBase + 1` to `last`; the first `head` of the array are gone already. */
  private entries: (Entry | undefined)[] = [];
  private head = 0;
  private memoryBase: Seq;
  private memoryBaseChain: Chain;
  memoryBytes = 0;
  /** Of entries `base + 1` to `last`, in the same fashion. */
  private sizes: number[] = [];
  private sizesHead = 0;
  bytes = 0;

  /**
   * @param state as read at the start
   * @param retained the rows of the log, checked: see `problemOfLog`
   */
  constructor(state: AppliedState, retained: readonly Entry[]) {
    this.base = state.base;
    this.baseVer = state.baseVer;
    this.last = state.base;
    this.lastVer = state.baseVer;
    const first = retained[0];
    this.lastChain = first === undefined ? state.chain : first.previous;
    this.memoryBase = state.base;
    this.memoryBaseChain = this.lastChain;
    for (const entry of retained) this.append(entry);
  }

  at(seq: Seq): Entry | undefined {
    return seq <= this.memoryBase ? undefined : this.entries[this.head + seq - this.memoryBase - 1];
  }

  verAt(seq: Seq): EntryVer | undefined {
    if (seq === this.base) return this.baseVer;
    return seq < this.base || seq > this.last ? undefined : verIn(this.segments, seq);
  }

  chainAt(seq: Seq): Chain | undefined {
    return seq === this.memoryBase ? this.memoryBaseChain : this.at(seq)?.chain;
  }

  append(entry: Entry): void {
    const order = compareEntryVer(entry.ver, this.lastVer);
    // Once for every entry: what would be said is put together only when it has to be said.
    if (entry.seq !== this.last + 1 || !sameChain(entry.previous, this.lastChain) || order < 0) {
      const { seq, ver, previous } = entry;
      const { last, lastVer, lastChain } = this;
      invariant(false, 'a log is dense, its chain continuous, and its versions never fall', {
        ...{ seq, ver, previous },
        ...{ last, lastVer, lastChain },
      });
    }
    if (order > 0 || this.segments.length === 0) this.segments.push({ ver: entry.ver, firstSeq: entry.seq });
    this.entries.push(entry);
    this.sizes.push(entry.size);
    this.bytes += entry.size;
    this.memoryBytes += entry.size + ENTRY_OVERHEAD_BYTES;
    this.last = entry.seq;
    this.lastVer = entry.ver;
    this.lastChain = entry.chain;
  }

  truncate(seq: Seq): void {
    invariant(seq >= this.memoryBase, 'what is truncated is in memory', { seq, memoryBase: this.memoryBase });
    while (this.last > seq) {
      const entry = this.entries.pop();
      invariant(entry?.seq === this.last, 'a log holds what it says', { last: this.last });
      this.sizes.pop();
      this.bytes -= entry.size;
      this.memoryBytes -= entry.size + ENTRY_OVERHEAD_BYTES;
      this.last -= 1;
      if (this.segments.at(-1)?.firstSeq === entry.seq) this.segments.pop();
    }
    const before = this.at(this.last);
    this.lastVer = this.segments.at(-1)?.ver ?? this.baseVer;
    this.lastChain = before?.chain ?? this.memoryBaseChain;
  }

  trim(seq: Seq): void {
    invariant(seq >= this.base && seq <= this.last, 'a log is trimmed within itself', {
      seq,
      base: this.base,
    });
    const ver = this.verAt(seq);
    invariant(ver !== undefined, 'the version of an entry in the log is known', { seq });
    this.evict(seq);
    for (; this.base < seq; this.base += 1) {
      this.bytes -= this.sizes[this.sizesHead] ?? 0;
      this.sizesHead += 1;
    }
    this.sizes = compacted(this.sizes, this.sizesHead, () => (this.sizesHead = 0));
    this.baseVer = ver;
    const from = this.segments.findLastIndex(({ firstSeq }) => firstSeq <= seq + 1);
    const kept = this.segments.slice(Math.max(from, 0));
    const first = kept[0];
    if (seq === this.last) this.segments = [];
    else this.segments = first === undefined ? [] : [{ ver: first.ver, firstSeq: seq + 1 }, ...kept.slice(1)];
  }

  /** Forgets, in memory only, the entries up to `seq`. */
  evict(seq: Seq): void {
    while (this.memoryBase < seq) {
      const entry = this.entries[this.head];
      if (entry === undefined) break;
      this.entries[this.head] = undefined;
      this.head += 1;
      this.memoryBytes -= entry.size + ENTRY_OVERHEAD_BYTES;
      this.memoryBase = entry.seq;
      this.memoryBaseChain = entry.chain;
    }
    this.entries = compacted(this.entries, this.head, () => (this.head = 0));
  }

  /** The seq up to which memory must be forgotten to get below `bytes`. */
  memorySeqBeyond(bytes: number): Seq {
    let seq = this.memoryBase;
    let left = this.memoryBytes;
    while (left > bytes && seq < this.last) {
      left -= (this.entries[this.head + seq - this.memoryBase]?.size ?? 0) + ENTRY_OVERHEAD_BYTES;
      seq += 1;
    }
    return seq;
  }

  /** The seq up to which the log must be trimmed to get below `bytes`. */
  seqBeyond(bytes: number): Seq {
    let seq = this.base;
    let left = this.bytes;
    while (left > bytes && seq < this.last) {
      left -= this.sizes[this.sizesHead + seq - this.base] ?? 0;
      seq += 1;
    }
    return seq;
  }

  shape(): LogShape {
    const { base, baseVer, last, segments } = this;
    invariant(segments.length <= SEGMENTS_MAX, 'a log has few enough epochs', { segments: segments.length });
    return { base, baseVer, last, segments: segments.slice() };
  }
}

/**
 * The largest sequence number at which two logs hold an entry of the same version. Because a version has one primary,
 * which uses a number once, they are equal up to there (log matching). Undefined: they share no comparable entry.
 *
 * Comparing from the end, by version, is what Kafka does since KIP-101 and KIP-279; cutting a log at its own commit
 * point instead loses entries that another replica has committed.
 */
export function matchPoint(ours: LogShape, theirs: LogShape): Seq | undefined {
  let seq = Math.min(ours.last, theirs.last);
  const lowest = Math.max(ours.base, theirs.base);
  while (seq >= lowest) {
    const a = segmentAt(ours, seq);
    const b = segmentAt(theirs, seq);
    const order = compareEntryVer(a.ver, b.ver);
    if (order === 0) return seq;
    // Nothing in the newer of the two segments can match below its start either, for versions never fall.
    seq = (order > 0 ? a.firstSeq : b.firstSeq) - 1;
  }
  return undefined;
}

function segmentAt(log: LogShape, seq: Seq): Segment {
  if (seq <= log.base) return { ver: log.baseVer, firstSeq: log.base };
  const segment = log.segments.findLast(({ firstSeq }) => firstSeq <= seq);
  invariant(segment !== undefined, 'every entry of a log is in a segment', { seq, base: log.base });
  return segment;
}

function verIn(segments: readonly Segment[], seq: Seq): EntryVer | undefined {
  return segments.findLast(({ firstSeq }) => firstSeq <= seq)?.ver;
}

/** Gives the memory of the first `head` elements back once they are the larger part. */
function compacted<T>(list: T[], head: number, reset: () => void): T[] {
  if (head < 64 || head * 2 < list.length) return list;
  reset();
  return list.slice(head);
}
