/**
 * What a worker does about damaged records, as the real host does (replica-endings.ts): a replica of which one is met
 * leaves, is silent from then on, and is erased once the others can give all of it. Where it cannot leave, it goes on
 * after all, though not as primary, and tries again later. Where the others cannot give all of it, a person restarts its worker, and it
 * takes part again: what a start makes it forget, it meets again.
 */
import { hasMember, isNewer, sameMember } from '@diststore/cluster';
import type { Configuration } from '@diststore/cluster';
import type { InstalledState } from '@diststore/replication';

import type { ObservedReplica } from './observed-replica.js';
import type { WorkerHost } from './worker-host.js';
import type { World } from './world.js';

const LEAVE_MS = 1000;
const LEAVE_AGAIN_MS = 1500;
/** By then somebody has read in the log what to do. */
const RESTART_AFTER_MS = 3000;

interface Leaving {
  sinceMs: number | undefined;
  stayUntilMs: number;
}

export interface DamagedRecordsOptions {
  readonly isMasterReachable: () => boolean;
  /** Takes the replica away, whose rows stay. */
  readonly silence: (partition: number) => void;
  readonly erase: (partition: number, installed: InstalledState) => void;
  readonly restart: () => void;
  /** Whether all records can be read where the partition is led. */
  readonly isSoundAt: (leader: Configuration['primary'], partition: number) => boolean;
}

export class DamagedRecords {
  private readonly met = new Map<number, Leaving>();
  /** Since when, by partition. */
  private readonly silent = new Map<number, number>();

  constructor(
    private readonly world: World,
    private readonly host: WorkerHost,
    private readonly options: DamagedRecordsOptions,
  ) {}

  /** The process ends. */
  crash(): void {
    this.met.clear();
    this.silent.clear();
  }

  /** A damaged record was met. Alone, a replica keeps what it has. */
  meet(partition: number): void {
    const replica = this.host.replicas.get(partition);
    const insync = replica?.status.configuration?.insync ?? [];
    if (replica === undefined || insync.every((member) => sameMember(member, replica.self))) return;
    if (this.met.has(partition)) return;
    this.world.trace(() => `${this.host.name} meets a damaged record of partition ${partition}`);
    this.met.set(partition, { sinceMs: undefined, stayUntilMs: 0 });
  }

  /** Whether one that is on its way out is done with the partition: it must not be taken in again. */
  hasLeft(partition: number, { insync }: Configuration): boolean {
    const replica = this.host.replicas.get(partition);
    if (replica === undefined || this.met.get(partition)?.sinceMs === undefined) return false;
    return !hasMember(insync, replica.self);
  }

  tick(): void {
    for (const [partition, leaving] of [...this.met]) {
      const replica = this.host.replicas.get(partition);
      if (replica === undefined) this.met.delete(partition);
      else this.consider(partition, replica, leaving);
    }
  }

  private consider(partition: number, replica: ObservedReplica, leaving: Leaving): void {
    const { host, options, world } = this;
    const { role, configuration } = replica.status;
    const nowMs = host.life.localMs();
    const isSolePrimary = role === 'primary' && configuration?.insync.length === 1;
    const mayLeave = options.isMasterReachable() && !isSolePrimary;
    if (leaving.sinceMs === undefined) {
      if (!mayLeave) return;
      if (nowMs < leaving.stayUntilMs) {
        if (role === 'primary') host.step(partition, { type: 'handover', to: undefined });
        return;
      }
      leaving.sinceMs = nowMs;
      host.step(partition, { type: 'shutdown' });
    } else if (!mayLeave || nowMs - leaving.sinceMs > LEAVE_MS) {
      leaving.sinceMs = undefined;
      leaving.stayUntilMs = nowMs + LEAVE_AGAIN_MS;
      world.trace(() => `${host.name} cannot leave partition ${partition}`);
      if (world.mistake !== 'neverStays') host.step(partition, { type: 'stay' });
      return;
    }
    if (!this.isDone(replica) && !(world.mistake === 'silentWhileCounted' && replica.mayStop)) return;
    world.trace(() => `${host.name} is silent about partition ${partition}`);
    this.met.delete(partition);
    this.silent.set(partition, nowMs);
    options.silence(partition);
  }

  /** Whether nobody counts on it, nor is about to: its admission to a version that it takes part in may be under way. */
  private isDone({ self, status: { configuration }, probe }: ObservedReplica): boolean {
    if (configuration === null || hasMember(configuration.insync, self)) return false;
    return (
      this.world.mistake === 'erasesLearners' ||
      probe.installedVer === null ||
      isNewer(configuration, probe.installedVer)
    );
  }

  isSilent(partition: number): boolean {
    return this.silent.has(partition);
  }

  /** The master says who counts: those that are silent go when they are not among them, and all is sound elsewhere. */
  heard(partition: number, configuration: Configuration): void {
    const { installed } = this.host.disk.rows(partition);
    const sinceMs = this.silent.get(partition);
    if (sinceMs === undefined || installed === undefined) return;
    const self = { worker: this.host.index, store: this.host.store, incarnation: installed.incarnation };
    if (hasMember(configuration.insync, self)) return;
    if (!this.options.isSoundAt(configuration.primary, partition)) {
      if (this.host.life.localMs() - sinceMs > RESTART_AFTER_MS) this.options.restart();
      return;
    }
    this.silent.delete(partition);
    this.options.erase(partition, installed);
  }
}
