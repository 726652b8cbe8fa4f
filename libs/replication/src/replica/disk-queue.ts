/**
 * What is on its way to the disk. Every `persist` has a number, enqueuing order is completion order, and a completion
 * marks durable what its own batch held and is still there: entries that were cut off since are not called durable
 * when others stand in their place.
 */
import { invariant } from '@diststore/base';
import { compareVer, sameVer } from '@diststore/cluster';
import type { Ver } from '@diststore/cluster';

import type { InstalledState } from '../durable-state.js';
import type { Seq } from '../entry.js';
import type { DurableWrite } from '../replica-event.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';

/** A `persist` on its way. */
export interface Pending {
  readonly number: number;
  readonly ver: Ver | null;
  /** The log is durable through here once this completes; lowered when the log is cut. -1: says nothing of it. */
  appended: Seq;
  /** The data is durable through here once this completes. -1: says nothing of it. */
  applied: Seq;
  /** Since when, for those that somebody waits for. */
  readonly urgentSinceMs: number | undefined;
  readonly then: (() => void) | undefined;
}

export class DiskQueue {
  private readonly queue: Pending[] = [];
  private newest = 0;

  constructor(private readonly s: ReplicaState) {}

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  persist(what: {
    writes: readonly DurableWrite[];
    urgent: boolean;
    appended?: Seq;
    applied?: Seq;
    then?: () => void;
  }): void {
    const { writes, urgent, appended = -1, applied = -1, then } = what;
    const { installed, nowMs } = this.s;
    this.newest += 1;
    const number = this.newest;
    const ver = installed.configuration === null ? null : verOf(installed.configuration);
    const urgentSinceMs = urgent ? nowMs : undefined;
    this.queue.push({ number, ver, appended, applied, urgentSinceMs, then });
    this.s.emit({ type: 'persist', number, ver, urgent, writes });
  }

  /** Enqueues row 01. From here on this replica is what it says; others hear of it when it is durable (`then`). */
  install(state: InstalledState, before: readonly DurableWrite[], then?: () => void): void {
    const { s } = this;
    const old = s.installed.configuration;
    invariant(
      old === null || (state.configuration !== null && compareVer(state.configuration, old) >= 0),
      'the version of an installed configuration never falls',
      s.facts(),
    );
    s.installed = state;
    s.installedDurable = false;
    this.persist({
      writes: [...before, { type: 'installed', state }],
      urgent: true,
      // Written behind the log, so it covers all of it.
      appended: s.flushedTo,
      then: () => {
        if (s.installed !== state) return;
        s.installedDurable = true;
        then?.();
      },
    });
  }

  /** Takes out what is complete, one by one in order, up to `number`. */
  complete(number: number, ver: Ver | null, one: (pending: Pending) => void): void {
    for (;;) {
      const pending = this.queue[0];
      if (pending === undefined || pending.number > number) return;
      this.queue.shift();
      if (pending.number === number) {
        const isSame = pending.ver === null || ver === null ? pending.ver === ver : sameVer(pending.ver, ver);
        invariant(isSame, 'a completion names what it completes', { number, ver, expected: pending.ver });
      }
      one(pending);
    }
  }

  /** Batches in flight that hold entries above the cut shall not call anything durable that comes in their place. */
  cutLog(match: Seq): void {
    for (const pending of this.queue) if (pending.appended > match) pending.appended = match;
  }

  /** Nor anything at all, once the replica is erased. */
  forgetAll(): void {
    for (const pending of this.queue) {
      pending.appended = -1;
      pending.applied = -1;
    }
  }
}
