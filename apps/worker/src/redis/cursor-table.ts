/**
 * Where scans go on. A cursor is a number below 2^53 that names a partition and a key in it; the number says nothing
 * by itself, so it is valid on the worker that gave it, for a while (SCAN_CURSOR_MS) and unless very many scans are
 * under way (SCAN_CURSORS_MAX). One that is not known any more is answered with an error that says to start again.
 *
 * A cursor may be used again until the one after it was used, so that a client may repeat a call whose answer it lost.
 */
import { randomInt } from 'node:crypto';

import type { Clock } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';

import { SCAN_CURSOR_MS, SCAN_CURSORS_MAX } from './redis-limits.js';

export interface ScanPosition {
  readonly partition: PartitionId;
  readonly from: Buffer;
}

interface Entry extends ScanPosition {
  readonly givenMs: number;
  /** The cursor that this one was the answer to. */
  readonly before: number;
}

export class CursorTable {
  /** In the order in which they were given. */
  private readonly entries = new Map<number, Entry>();
  /** Begins anywhere, so that a cursor of an earlier process is not taken for one of this. */
  private next = randomInt(1, 2 ** 47);

  constructor(private readonly clock: Clock) {}

  /** Undefined: not known, or no more. */
  find(cursor: number): ScanPosition | undefined {
    const entry = this.entries.get(cursor);
    if (entry === undefined || this.clock.monotonicNowMs() - entry.givenMs > SCAN_CURSOR_MS) return undefined;
    this.entries.delete(entry.before);
    return entry;
  }

  /** The cursor for a position. @param before the cursor of the call that this answers; 0 = it was the first. */
  give(position: ScanPosition, before: number): number {
    this.next = this.next >= CURSOR_MAX ? 1 : this.next + 1;
    const givenMs = this.clock.monotonicNowMs();
    for (const [cursor, entry] of this.entries) {
      if (this.entries.size < SCAN_CURSORS_MAX && givenMs - entry.givenMs <= SCAN_CURSOR_MS) break;
      this.entries.delete(cursor);
    }
    this.entries.set(this.next, { ...position, before, givenMs });
    return this.next;
  }
}

const CURSOR_MAX = Number.MAX_SAFE_INTEGER - 1;
