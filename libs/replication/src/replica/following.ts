/**
 * The part of a secondary, and of a learner: it joins the versions that it is told of, cuts its log to where it agrees
 * with the primary's, appends, acknowledges what is durable, and promises.
 */
import { invariant } from '@diststore/base';
import { compareVer, hasMember, promotionOf, sameMember, sameVer, secondaries } from '@diststore/cluster';
import type { Configuration, Member, Ver, WorkerIndex } from '@diststore/cluster';

import type { BeaconItem } from '../beacon.js';
import { sameChain } from '../chain.js';
import type { Seq } from '../entry.js';
import type { Message } from '../message.js';
import type { DurableWrite } from '../replica-event.js';
import type { Committing } from './committing.js';
import type { DiskQueue } from './disk-queue.js';
import type { Proposals } from './proposals.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';
import type { Tenures } from './tenures.js';

type Install = Extract<Message, { type: 'install' }>;

export class Following {
  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly disk: DiskQueue,
    private readonly proposals: Proposals,
    private readonly tenures: Tenures,
    private readonly committing: Committing,
  ) {}

  // ------------------------------------------------------------------------------------------------ joining a version

  onInstall(from: Member, message: Install): void {
    const { s, rules } = this;
    const { configuration, log, leaseMs } = message;
    if (s.seen !== null && compareVer(configuration, s.seen) < 0) {
      s.send(from.worker, { type: 'configuration', configuration: s.seen });
      return;
    }
    if (!sameMember(configuration.primary, from)) return;
    this.tenures.onConfiguration(configuration);
    const { seen } = s;
    if (seen === null || !sameVer(seen, configuration) || s.isSelf(seen.primary)) return;
    if (!this.fits(from.worker, leaseMs)) return;
    if (rules.isInstalled(configuration)) {
      s.promise();
      s.primaryHeardMs = s.nowMs;
      // Who says INSTALL has no session with us any more, however far the last one came.
      const match = s.installed.state === 'ok' ? s.durable : null;
      if (s.installedDurable) this.sendInstalled(from.worker, message, match);
      return;
    }
    const match = s.installed.state === 'loading' ? undefined : rules.matchWith(log);
    if (match === undefined || match < s.queuedState.applied || match < s.log.base) {
      invariant(
        !hasMember(configuration.insync, s.self) || s.log.last === 0,
        'a member of the in-sync set holds a log that agrees with its primary',
        { match, ...s.facts() },
      );
      this.sendInstalled(from.worker, message, null);
      return;
    }
    this.join(configuration, match, () => {
      if (rules.isInstalled(configuration)) this.sendInstalled(from.worker, message, match);
    });
    s.promise();
    s.primaryHeardMs = s.nowMs;
    this.committing.learnCommitted(Math.min(message.committed, match));
  }

  /** Whether a promise by our times outlasts a lease by theirs. */
  private fits(worker: WorkerIndex, leaseMs: number): boolean {
    const fits = this.rules.promiseFits(leaseMs);
    if (!fits) this.s.emit({ type: 'mismatch', worker, leaseMs });
    return fits;
  }

  /** Cuts the log to where it agrees with the primary's, and takes part in its version. */
  private join(configuration: Configuration, match: Seq, then: () => void): void {
    const { s } = this;
    invariant(match >= s.queuedState.applied, 'the log is never cut below what is applied', {
      match,
      ...s.facts(),
    });
    const before: DurableWrite[] = [];
    const { last } = s.log;
    if (last > match) {
      before.push({ type: 'truncate', after: match, through: last });
      this.cutLog(match);
    }
    // What was acknowledged so far was told to another primary.
    s.acknowledged = -1;
    const state = { ...s.installed, configuration, tenure: false, waited: false, shared: true };
    this.disk.install(state, before, then);
  }

  private cutLog(match: Seq): void {
    const { s } = this;
    s.log.truncate(match);
    s.flushedTo = match;
    s.durable = Math.min(s.durable, match);
    s.committed = Math.min(s.committed, match);
    this.disk.cutLog(match);
  }

  private sendInstalled(to: WorkerIndex, question: Install, match: Seq | null): void {
    this.s.send(to, {
      type: 'installed',
      ver: verOf(question.configuration),
      match,
      snapshotId: this.s.installed.snapshotId,
      sentAtMs: question.sentAtMs,
      boot: question.boot,
    });
  }

  // -------------------------------------------------------------------------------------------------------- entries

  onPrepare(from: Member, message: Extract<Message, { type: 'prepare' }>): void {
    const { s, rules } = this;
    const { ver, entries } = message;
    if (rules.isFenced(ver)) {
      s.send(from.worker, { type: 'configuration', configuration: s.seen as Configuration });
      return;
    }
    if (!rules.mayAppend(ver)) {
      if (s.role !== 'primary' && s.installed.state === 'ok')
        s.send(from.worker, { type: 'uninstalled', ver });
      return;
    }
    s.primaryHeardMs = s.nowMs;
    // The same version has the same entry at the same place: what is here already need not be compared.
    const fresh = entries.filter(({ seq }) => seq > s.log.last);
    const first = fresh[0];
    if (first !== undefined && first.seq !== s.log.last + 1) {
      s.send(from.worker, { type: 'missing', ver, last: s.log.last });
      return;
    }
    if (fresh.length > 0) {
      for (const entry of fresh) s.log.append(entry);
      s.flushedTo = s.log.last;
      this.disk.persist({ writes: [{ type: 'append', entries: fresh }], urgent: true, appended: s.log.last });
    } else if (entries.length > 0 && s.installedDurable) {
      // Its acknowledgement may have been lost.
      s.send(from.worker, { type: 'prepared', ver, durable: s.durable });
    }
    this.committing.learnCommitted(Math.min(message.committed, s.log.last));
  }

  /** Tells the primary what became durable, in the version of which that is known to be a prefix of its log. */
  acknowledge(): void {
    const { s } = this;
    const { configuration } = s.installed;
    if (configuration === null || !s.installedDurable || !this.rules.mayAppend(configuration)) return;
    if (s.durable === s.acknowledged) return;
    s.acknowledged = s.durable;
    const ver = verOf(configuration);
    s.send(configuration.primary.worker, { type: 'prepared', ver, durable: s.durable });
  }

  // ----------------------------------------------------------------------------------------------- beacons, promises

  onBeacon(from: Pick<Member, 'worker' | 'store'>, leaseMs: number, item: BeaconItem): void {
    const { s } = this;
    const { ver, committed, chain } = item;
    const accepted = this.acceptsBeacon(from, leaseMs, ver);
    if (accepted) {
      s.promise();
      s.primaryHeardMs = s.nowMs;
      const ours = committed <= s.log.last ? s.log.chainAt(committed) : undefined;
      if (ours !== undefined && !sameChain(ours, chain)) {
        s.fail(`its log differs from its primary's at ${committed}`);
        return;
      }
      this.committing.learnCommitted(Math.min(committed, s.log.last));
    } else if (s.seen === null || compareVer(ver, s.seen) > 0 || this.awaitsInstall(ver)) {
      s.send(from.worker, { type: 'uninstalled', ver });
    }
    const newer = s.seen !== null && compareVer(s.seen, ver) > 0 ? s.seen : undefined;
    s.emit({ type: 'beaconAnswer', accepted, newer });
  }

  private awaitsInstall(ver: Ver): boolean {
    const { role, seen } = this.s;
    return role !== 'primary' && seen !== null && sameVer(seen, ver) && !this.rules.isInstalled(ver);
  }

  private acceptsBeacon(from: Pick<Member, 'worker' | 'store'>, leaseMs: number, ver: Ver): boolean {
    const { s } = this;
    if (!this.rules.mayAppend(ver) || !s.installedDurable || !s.sane) return false;
    const primary = s.installed.configuration?.primary;
    if (primary?.worker !== from.worker || primary.store !== from.store) return false;
    return this.fits(from.worker, leaseMs) && !this.rules.refusesBeacons();
  }

  /** Asks to take over once its promise is over, by rank so that not all ask at once. */
  onTick(): void {
    const { s } = this;
    const { seen, timing } = s;
    if (s.leaving) this.proposals.askToLeave();
    if (seen === null || s.proposals.has('promote') || s.leaving) return;
    const rank = secondaries(seen).findIndex((member) => s.isSelf(member));
    invariant(rank >= 0, 'a follower is in sync', s.facts());
    const dueMs = Math.max(s.promiseUntilMs + rank * timing.staggerMs, s.notBeforeMs);
    if (s.nowMs < dueMs || s.installed.state !== 'ok') return;
    s.refuseBeaconsUntilMs = s.nowMs + 2 * timing.beaconMs;
    this.proposals.propose('promote', promotionOf(seen, s.self));
  }
}
