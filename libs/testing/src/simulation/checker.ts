/**
 * The observer that sees everything: every disk, every replica, true time. It holds what the cluster must not violate.
 *
 * - No acknowledged write is lost: every committed entry is on the intact disk of each in-sync member.
 * - Equal replicas: one entry per sequence number, wherever it is applied; nothing is applied before it is committed.
 * - At most one worker may serve a partition at any instant, and serving rights only move to newer versions.
 * - Whoever may answer reads has every committed entry.
 * - A request is carried out once, however often it is sent.
 * - Each key's history is linearizable.
 */
import { compareVer, sameMember } from '@diststore/cluster';
import type { Configuration, Ver } from '@diststore/cluster';
import { chainText, sameChain } from '@diststore/replication';
import type { Chain, Entry, Seq } from '@diststore/replication';

import type { Operation } from './linearizability.js';
import { problemOfHistory } from './linearizability.js';
import { Violation } from './violation.js';
import type { WorkerView } from './worker-view.js';

interface PartitionGhost {
  /** Chains of the committed entries, from seq 1. */
  readonly committed: Chain[];
  configuration: Configuration | undefined;
  newestServer: Ver | undefined;
  /** The last entry that a client was told is written. */
  acknowledged: Seq;
  /** Where each request was carried out. */
  readonly requests: Map<string, Seq>;
  /** The last configuration that an operator forced: what older ones committed beyond it is given up. */
  forced: Configuration | undefined;
}

export class Checker {
  readonly histories = new Map<string, Operation[]>();
  private readonly partitions = new Map<number, PartitionGhost>();
  /** Checks that the checks are about something. */
  readonly seen = { commits: 0, serves: 0, applied: 0 };

  constructor(
    private readonly workers: readonly WorkerView[],
    private readonly clocksHold: boolean,
  ) {}

  ghost(partition: number): PartitionGhost {
    let ghost = this.partitions.get(partition);
    if (ghost === undefined) {
      ghost = {
        committed: [],
        configuration: undefined,
        newestServer: undefined,
        acknowledged: 0,
        requests: new Map(),
        forced: undefined,
      };
      this.partitions.set(partition, ghost);
    }
    return ghost;
  }

  committedSeq(partition: number): Seq {
    return this.ghost(partition).committed.length;
  }

  configured(partition: number, configuration: Configuration): void {
    const ghost = this.ghost(partition);
    const { configuration: known } = ghost;
    const isOlder = known !== undefined && compareVer(configuration, known) <= 0;
    // What a master accepted and lost before anybody heard of it never was.
    if (isOlder && this.isHeard(partition, known)) return;
    ghost.configuration = configuration;
    // What an operator gives up is known once the change is made: see `forced`.
    if (configuration.kind !== 'force') this.checkMembers(partition);
  }

  private isHeard(partition: number, { proposalId }: Configuration): boolean {
    return this.workers.some(
      ({ replicas, disk }) =>
        replicas.get(partition)?.status.configuration?.proposalId === proposalId ||
        disk.rows(partition).installed?.configuration?.proposalId === proposalId,
    );
  }

  stepped(worker: WorkerView, partition: number): void {
    const replica = worker.replicas.get(partition);
    if (replica === undefined) return;
    const ghost = this.ghost(partition);
    const { committed, role, installedVer, isLoading } = replica.probe;
    if (isLoading || isGivenUp(ghost, worker, installedVer)) return;
    const leads = role === 'primary' || role === 'stopping';
    if (leads && committed > ghost.committed.length) {
      for (let seq = ghost.committed.length + 1; seq <= committed; seq += 1) {
        const chain = replica.probe.chainAt(seq);
        if (chain === undefined)
          throw new Violation(`LOST_WRITE: entry ${seq} of ${partition} was committed unseen`);
        ghost.committed.push(chain);
        const entry = replica.probe.entryAt(seq);
        if (entry !== undefined) noteRequest(ghost, entry);
      }
      this.seen.commits += 1;
      this.checkMembers(partition);
    }
    if (committed > ghost.committed.length)
      throw new Violation(
        `UNCOMMITTED: ${worker.name} takes ${committed} of partition ${partition} for committed, it is ${ghost.committed.length}`,
      );
    const theirs = replica.probe.chainAt(committed);
    const ours = ghost.committed[committed - 1];
    if (theirs !== undefined && ours !== undefined && !sameChain(theirs, ours))
      throw new Violation(
        `DIVERGED: ${worker.name} has another entry ${committed} of partition ${partition} than was committed`,
      );
    if (replica.probe.role === 'primary' && this.clocksHold) this.checkServer(worker, partition, ghost);
  }

  private checkServer(worker: WorkerView, partition: number, ghost: PartitionGhost): void {
    const replica = worker.replicas.get(partition);
    if (replica === undefined || !worker.mayServe(partition)) return;
    const { ver } = replica.status;
    if (ver === null) return;
    this.seen.serves += 1;
    if (ghost.newestServer !== undefined && compareVer(ver, ghost.newestServer) < 0)
      throw new Violation(
        `SERVE_ORDER: ${worker.name} may serve partition ${partition} in ${ver.gen}.${ver.epoch} after ${ghost.newestServer.gen}.${ghost.newestServer.epoch}`,
      );
    ghost.newestServer = { gen: ver.gen, epoch: ver.epoch };
    for (const other of this.workers) {
      if (other !== worker && other.mayServe(partition))
        throw new Violation(
          `TWO_PRIMARIES: ${worker.name} and ${other.name} may both serve partition ${partition}`,
        );
    }
    // The disk of a sole replica may know of a commit before its process does; reads go to the disk.
    if (worker.isSole(partition)) return;
    if (replica.probe.reconciled && replica.probe.committed !== ghost.committed.length)
      throw new Violation(
        `STALE_SERVER: ${worker.name} may answer reads of partition ${partition} at ${replica.probe.committed}, committed is ${ghost.committed.length}`,
      );
  }

  /** The data of a replica took these entries in. */
  applied(worker: WorkerView, partition: number, entries: readonly Entry[]): void {
    const ghost = this.ghost(partition);
    if (this.isGivenUp(partition, worker)) return;
    this.seen.applied += entries.length;
    for (const entry of entries) {
      const { seq, chain } = entry;
      const committed = ghost.committed[seq - 1];
      if (committed === undefined) {
        // A sole replica that nobody listens to commits by applying.
        if (worker.isSole(partition) && seq === ghost.committed.length + 1) {
          ghost.committed.push(chain);
          noteRequest(ghost, entry);
          continue;
        }
        throw new Violation(`APPLIED_UNCOMMITTED: ${worker.name} applied entry ${seq} of ${partition}`);
      }
      if (!sameChain(committed, chain))
        throw new Violation(
          `DIVERGED: ${worker.name} applied ${chainText(chain)} at ${seq} of ${partition}, committed was ${chainText(committed)}`,
        );
    }
  }

  /** Every committed entry is on the intact disk of every in-sync member. */
  checkMembers(partition: number): void {
    const { committed, configuration } = this.ghost(partition);
    if (configuration === undefined || committed.length === 0) return;
    for (const member of configuration.insync) {
      const worker = this.workers[member.worker - 1];
      if (worker?.store !== member.store || worker.damaged.has(partition)) continue;
      const rows = worker.disk.rows(partition);
      if (worker.lost.has(member.incarnation)) continue;
      if (rows.installed !== undefined && rows.installed.incarnation !== member.incarnation)
        throw new Violation(
          `LOST_WRITE: ${worker.name} is in sync for partition ${partition} and dropped its replica`,
        );
      if (rows.installed?.state === 'loading')
        throw new Violation(
          `LOST_WRITE: ${worker.name} is in sync for partition ${partition} and half erased`,
        );
      const last = worker.disk.lastSeq(partition);
      const chain = worker.disk.chainAt(partition, committed.length);
      const expected = committed.at(-1) as Chain;
      if (last < committed.length || (chain !== undefined && !sameChain(chain, expected)))
        throw new Violation(
          `LOST_WRITE: entry ${committed.length} of partition ${partition} is committed and not on ${worker.name} ` +
            `(it has ${last}), in sync in ${configuration.gen}.${configuration.epoch} [${configuration.insync.map((m) => m.worker).join(',')}]`,
        );
    }
  }

  /** A client is told that this entry is written, or was. */
  acknowledged(partition: number, seq: Seq): void {
    const ghost = this.ghost(partition);
    if (seq > ghost.acknowledged) ghost.acknowledged = seq;
  }

  /**
   * An operator made this replica primary, alone. What it lacks is given up; if it was said to hold every
   * acknowledged write, it does.
   */
  forced(partition: number, worker: WorkerView, configuration: Configuration, isEligible: boolean): void {
    const ghost = this.ghost(partition);
    const { applied } = worker.disk.rows(partition);
    let agreed = Math.min(ghost.committed.length, worker.disk.lastSeq(partition));
    for (; agreed > applied.applied; agreed -= 1) {
      const theirs = worker.disk.chainAt(partition, agreed);
      const ours = ghost.committed[agreed - 1];
      if (theirs !== undefined && ours !== undefined && sameChain(theirs, ours)) break;
    }
    if (isEligible && agreed < ghost.acknowledged)
      throw new Violation(
        `LOST_ACKNOWLEDGED: ${worker.name} is eligible for partition ${partition} and holds ${agreed} of ${ghost.acknowledged} acknowledged entries`,
      );
    ghost.committed.length = agreed;
    ghost.acknowledged = Math.min(ghost.acknowledged, agreed);
    for (const [id, seq] of ghost.requests) if (seq > agreed) ghost.requests.delete(id);
    ghost.forced = configuration;
    this.checkMembers(partition);
  }

  /** Whether this worker's replica is of a history that an operator gave up. */
  isGivenUp(partition: number, worker: WorkerView): boolean {
    const { installed } = worker.disk.rows(partition);
    return isGivenUp(this.ghost(partition), worker, installed?.configuration ?? null);
  }

  /** How many in-sync members of a partition still have their disks. */
  intactMembers(partition: number): WorkerView[] {
    const { configuration } = this.ghost(partition);
    return this.workers.filter(
      (worker) =>
        !worker.damaged.has(partition) &&
        configuration?.insync.some((member) => {
          const installed = worker.disk.rows(partition).installed;
          const self = {
            worker: worker.index,
            store: worker.store,
            incarnation: installed?.incarnation ?? member.incarnation,
          };
          return sameMember(member, self);
        }),
    );
  }

  record(key: string, operation: Operation): void {
    const list = this.histories.get(key);
    if (list === undefined) this.histories.set(key, [operation]);
    else list.push(operation);
  }

  checkHistories(): void {
    for (const [key, history] of this.histories) {
      // What an operator gave up may have been read before.
      if (this.ghost(Number(key.split('/')[0])).forced !== undefined) continue;
      const problem = problemOfHistory(history);
      if (problem !== undefined) throw new Violation(`NOT_LINEARIZABLE: key ${key}: ${problem}`);
    }
  }
}

/** Whether a replica still takes part in a version whose commits an operator gave up. */
function isGivenUp({ forced }: PartitionGhost, { index }: WorkerView, ver: Ver | null): boolean {
  if (forced === undefined || forced.primary.worker === index) return false;
  return ver === null || compareVer(ver, forced) < 0;
}

function noteRequest({ requests }: PartitionGhost, { request, seq }: Entry): void {
  if (request === undefined) return;
  const before = requests.get(request.id);
  if (before !== undefined && before !== seq)
    throw new Violation(`TWICE: request ${request.id} was carried out at ${before} and again at ${seq}`);
  requests.set(request.id, seq);
}
