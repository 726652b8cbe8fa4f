/**
 * Writes, from the client's request to the log: is it admitted, was it seen before, what does it come to, and which
 * number does it get. Conditions are decided against the newest *prepared* state, which no reader sees yet.
 */
import { hasEnoughInSync } from '@diststore/cluster';

import { sameChain } from '../chain.js';
import { appliedAfter } from '../durable-state.js';
import { isSoundOp, keyName, makeEntry, makeUnlogged } from '../entry.js';
import type { Counts, Entry, Op, Request, Seq } from '../entry.js';
import {
  ENTRY_OPS_MAX,
  HELD_ANSWERS_MAX,
  RESULT_BYTES_MAX,
  WINDOW_BYTES_MAX,
  WINDOW_ENTRIES_MAX,
} from '../limits.js';
import type {
  Client,
  Decided,
  DurableWrite,
  ReadRecords,
  Reads,
  ReplicaEvent,
  StoredRecord,
  WriteView,
} from '../replica-event.js';
import type { PendingWrites } from '../pending-writes.js';
import type { DiskQueue } from './disk-queue.js';
import type { Handovers } from './handovers.js';
import type { HeldAnswers } from './held-answers.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

const NO_RECORDS: ReadRecords = new Map();

/** The newest prepared state, of which a command sees what it asks for: pending first, then what was read. */
class PreparedView implements WriteView {
  /** Whether a key was asked for that was not read. */
  missing = false;
  /** The newest entry that any of the answers rests on. */
  dependsOn: Seq;
  private lastKey: Uint8Array | undefined = undefined;
  private lastName = '';

  constructor(
    readonly seq: Seq,
    readonly clockMs: number,
    readonly counts: Counts,
    private readonly pending: PendingWrites,
    private readonly records: ReadRecords,
  ) {
    this.dependsOn = pending.preparedClear;
  }

  get(key: Uint8Array): StoredRecord | undefined {
    const name = this.records.nameOf?.(key) ?? keyName(key);
    this.lastKey = key;
    this.lastName = name;
    const pending = this.pending.newest(name);
    let record: StoredRecord | null | undefined;
    if (pending !== undefined) {
      record = pending.record;
      if (pending.seq > this.dependsOn) this.dependsOn = pending.seq;
    } else {
      record = this.records.get(name);
      if (record === undefined) this.missing = true;
    }
    if (record === null || record === undefined) return undefined;
    return record.version <= this.pending.preparedClear ? undefined : record;
  }

  /** As `namesOf` an entry with these operations, if it is known already: nearly all have the one key that was asked for. */
  namesOf(ops: readonly Op[]): readonly string[] | undefined {
    const [only] = ops;
    if (only === undefined || ops.length > 1 || only.type === 'clear') return undefined;
    return only.key === this.lastKey ? [this.lastName] : undefined;
  }
}

export class Writing {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly disk: DiskQueue,
    private readonly held: HeldAnswers,
    private readonly handovers: Handovers,
  ) {}

  onWrite(event: Extract<ReplicaEvent, { type: 'write' }>): void {
    const { client, request, reads } = event;
    const { s } = this;
    const { seen } = s;
    if (s.role !== 'primary' || seen === null) {
      s.reply(client, s.role === 'stopping' ? { type: 'retry-later' } : s.notPrimary());
      return;
    }
    if (request !== undefined && this.answerRepeated(client, request, reads)) return;
    if (!this.mayAdmit()) {
      s.reply(client, { type: 'retry-later' });
      return;
    }
    if (!hasEnoughInSync(seen)) {
      const { insync, minInSync } = seen;
      s.reply(client, { type: 'too-few-replicas', insync: insync.length, minInSync });
      return;
    }
    const timestampMs = this.clockMs(event.wallMs);
    const view = this.viewOf(reads, timestampMs);
    const decided = event.command(view);
    if (view.missing || (request !== undefined && reads.appliedSeq !== s.applied)) {
      s.reply(client, { type: 'needRead' });
      return;
    }
    if (decided.type === 'answer')
      this.held.hold(client, { type: 'answer', result: decided.result }, view.dependsOn);
    else this.sequence(client, request, decided, view);
  }

  /** A request that was seen before is not done again. @returns whether that is the case. */
  private answerRepeated(client: Client, request: Request, reads: Reads): boolean {
    const { s } = this;
    const pending = s.pendingWrites.request(request.id);
    const known = pending ?? reads.finished;
    if (known === undefined) return false;
    if (!sameChain(known.fingerprint, request.fingerprint)) {
      s.reply(client, { type: 'request-id-reused' });
    } else if (pending !== undefined && pending.seq > s.committed) {
      s.pendingWrites.wait(pending.seq, client, true);
    } else {
      this.held.hold(client, { type: 'ok', seq: known.seq, result: known.result, repeated: true }, known.seq);
    }
    return true;
  }

  private mayAdmit(): boolean {
    const { s } = this;
    if (this.handovers.isUnderWay || s.leaving) return false;
    if (s.log.last - s.committed >= WINDOW_ENTRIES_MAX || s.windowBytes >= WINDOW_BYTES_MAX) return false;
    if (this.held.count >= HELD_ANSWERS_MAX) return false;
    // Hope: a version that has just begun is about to be installed everywhere.
    return this.rules.mayServeNow() || s.nowMs < Math.max(s.tenureSinceMs, s.waitUntilMs) + s.timing.leaseMs;
  }

  /** The partition's clock: never behind the last logged write, whoever's clock that was. */
  clockMs(wallMs: number): number {
    const { log, queuedState } = this.s;
    const lastMs = log.at(log.last)?.timestampMs ?? queuedState.lastTimestampMs;
    return Math.max(Math.floor(wallMs), lastMs);
  }

  private counts(): Counts {
    return this.s.log.at(this.s.log.last)?.counts ?? this.s.queuedState.counts;
  }

  private viewOf(reads: Reads, clockMs: number): PreparedView {
    const { log, pendingWrites, applied } = this.s;
    const records = reads.appliedSeq === applied ? reads.records : NO_RECORDS;
    return new PreparedView(log.last + 1, clockMs, this.counts(), pendingWrites, records);
  }

  private sequence(
    client: Client,
    request: Request | undefined,
    decided: Extract<Decided, { type: 'write' }>,
    view: PreparedView,
  ): void {
    const { s } = this;
    const { ops, counts, result } = decided;
    const isSound = ops.length <= ENTRY_OPS_MAX && result.length <= RESULT_BYTES_MAX && ops.every(isSoundOp);
    if (!isSound || s.seen === null)
      throw s.broken('the edge keeps a write within its bounds', { ops: ops.length, result: result.length });
    const fields = {
      ver: verOf(s.seen),
      seq: view.seq,
      timestampMs: view.clockMs,
      previous: s.log.lastChain,
      counts,
      request,
      result,
      ops,
    };
    const entry = this.rules.isCheap(s.flushedTo) ? makeUnlogged(fields) : makeEntry(fields);
    entry.names = view.namesOf(ops);
    s.log.append(entry);
    s.windowBytes += entry.size;
    s.pendingWrites.prepare(entry);
    s.pendingWrites.wait(entry.seq, client, false);
  }

  /** Hands what was sequenced since the last time to the disk, as one piece. */
  flush(): void {
    const { s } = this;
    const from = s.flushedTo;
    const { last } = s.log;
    if (from === last) return;
    const entries = s.entriesFrom(from + 1, last);
    s.flushedTo = last;
    if (this.rules.isCheap(from)) {
      this.flushDirectly(entries);
      return;
    }
    const logged = this.loggable(from, entries);
    this.disk.persist({ writes: [{ type: 'append', entries: logged }], urgent: true, appended: last });
  }

  /**
   * The entries after `from`, fit for a log. They were sequenced for the cheap path if that has ended since, which only
   * clocks that come apart do: whatever else ends it is an event, before which there is a flush. Their places stay, and
   * their chains are made anew.
   */
  private loggable(from: Seq, entries: readonly Entry[]): readonly Entry[] {
    if (entries.every(({ bytes }) => bytes.length > 0)) return entries;
    const { log } = this.s;
    log.truncate(from);
    for (const entry of entries) log.append(makeEntry({ ...entry, previous: log.lastChain }));
    return this.s.entriesFrom(from + 1, log.last);
  }

  private flushDirectly(entries: readonly Entry[]): void {
    const { s } = this;
    const writes: DurableWrite[] = [];
    const before = s.queuedState;
    const ver = entries.at(-1)?.ver ?? before.baseVer;
    const { applied, chain, lastTimestampMs, clearedThrough, counts } = appliedAfter(before, entries);
    // Field by field: see stateOp.
    const state = { applied, base: applied, baseVer: ver, chain, lastTimestampMs, clearedThrough, counts };
    if (before.base < before.applied)
      writes.push({ type: 'trim', after: before.base, through: before.applied, state: before });
    writes.push({ type: 'apply', entries, state });
    s.queuedState = state;
    this.disk.persist({ writes, urgent: true, appended: applied, applied });
  }
}
