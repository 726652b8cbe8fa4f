/**
 * Goal: whatever workers join, leave, die and return, everything comes to rest where it should be: every partition on
 * as many active workers as there should be, evenly, led by its preferred primary, and at no time more partitions in
 * motion than allowed because of the reconciler.
 *
 * Method: a whole master without HTTP, and in place of the workers a stand-in for each primary that does what its
 * target says, one step at a time: it admits a member, retires one, hands over; secondaries of a dead primary promote
 * themselves. Random events come in between. At the end nothing happens any more, and time passes.
 */
import { describe, expect, it } from '@jest/globals';
import type {
  Configuration,
  Member,
  PartitionId,
  ReplicaProposal,
  Target,
  Worker,
  WorkerIndex,
} from '@diststore/cluster';
import {
  admissionOf,
  handoverOf,
  hasMember,
  incarnation,
  isAtTarget,
  memberOf,
  motionsOf,
  problemOfConfiguration,
  promotionOf,
  proposalId,
  removalOf,
  workerIndex,
} from '@diststore/cluster';
import fc from 'fast-check';

import { hashed, REPLACE_AFTER_MS, SILENT_AFTER_MS, storeOf, TestMaster } from '../../test/test-master.js';

const WORKERS = 7;
const MOVES_MAX = 3;
const NONCE = '1'.repeat(16);

const events = fc.array(
  fc.record({
    what: fc.constantFrom('join', 'join', 'die', 'return', 'drain', 'leave', 'stay', 'wait', 'long wait'),
    worker: fc.integer({ min: 1, max: WORKERS }),
    /** Steps of the primaries after it. */
    steps: fc.integer({ min: 0, max: 12 }),
  }),
  { minLength: 5, maxLength: 25 },
);
type Event = typeof events extends fc.Arbitrary<(infer E)[]> ? E : never;

/** Once, a worker that held nothing could not leave, because a partition whose only copy is gone was meant for it. */
const HOLDER_LOST: Event[] = [
  { what: 'join', worker: 4, steps: 0 },
  { what: 'die', worker: 1, steps: 0 },
  { what: 'join', worker: 5, steps: 0 },
  { what: 'leave', worker: 4, steps: 0 },
];

class Cluster {
  private readonly alive = new Set<number>();
  private readonly boots = new Map<number, number>();
  private ids = 0;

  private constructor(readonly master: TestMaster) {}

  static async start(partitions: number, replicationFactor: number): Promise<Cluster> {
    const formation = hashed(partitions, replicationFactor);
    const cluster = new Cluster(await TestMaster.start({ formation, movesMax: MOVES_MAX }));
    await cluster.boot(1);
    return cluster;
  }

  async happen({ what, worker, steps }: Event): Promise<void> {
    const known = this.boots.has(worker);
    const state = this.master.state.map.worker(workerIndex(worker))?.state;
    if ((what === 'join' && !known) || (what === 'return' && known && !this.alive.has(worker)))
      await this.boot(worker);
    if (what === 'die' && this.alive.size > 1) this.alive.delete(worker);
    if ((what === 'drain' || what === 'leave') && state === 'active')
      await this.master.departures.drain(worker, what === 'leave').catch(expectRefusal);
    if (what === 'stay' && state === 'draining') await this.master.departures.stay(worker);
    await this.pass(what === 'long wait' ? 2 * REPLACE_AFTER_MS : SILENT_AFTER_MS + 1);
    for (let i = 0; i < steps; i += 1) await this.act(this.ids % this.partitions.length);
  }

  /** Time passes, whoever lives reports, and the master makes a pass. */
  async pass(ms: number): Promise<void> {
    const { master } = this;
    master.clock.nowMs += ms;
    for (const worker of this.alive) {
      const speaker = { store: storeOf(worker), boot: this.boots.get(worker) ?? 0, nonce: NONCE };
      const isTaken = master.registry.heartbeat(worker, { ...speaker, state: 'serving', keys: 1, bytes: 10 });
      // It was drained, and ended.
      if (isTaken === undefined) this.alive.delete(worker);
    }
    await master.registry.updatePresences();
    const before = this.motions();
    await master.reconciler.run();
    expect(this.motions()).toBeLessThanOrEqual(Math.max(before, MOVES_MAX));
  }

  async rest(): Promise<void> {
    for (let round = 0; round < 400; round += 1) {
      await this.pass(round < 3 ? 2 * REPLACE_AFTER_MS : 1000);
      let isBusy = false;
      for (const i of this.partitions.keys()) isBusy = (await this.act(i)) || isBusy;
      if (!isBusy && round > 5 && this.master.reconciler.view().replicasToGo === 0 && !this.isLeaving())
        return;
    }
    throw new Error('the cluster never comes to rest');
  }

  check(replicationFactor: number): void {
    const { map } = this.master.state;
    const active = this.takers();
    // With nobody to take it, everything stays where it is.
    if (active.length === 0) return;
    const counts = new Map<WorkerIndex, number>(active.map(({ index }) => [index, 0]));
    let stuck = 0;
    for (const { partition, configuration, target } of map.partitionRecords()) {
      if (configuration === null || target === null) throw new Error(`partition ${partition} is gone`);
      expect(problemOfConfiguration(configuration)).toBeUndefined();
      for (const worker of target.replicas) counts.set(worker, (counts.get(worker) ?? 0) + 1);
      if (!configuration.insync.some(({ worker }) => this.isAlive(worker))) {
        stuck += 1;
        continue;
      }
      expect(target.replicas).toHaveLength(Math.min(replicationFactor, active.length));
      if (this.isHeld(configuration)) continue;
      expect(isAtTarget(configuration, target)).toBe(true);
      expect(configuration.primary.worker).toBe(target.preferredPrimary);
      expect(target.replicas.every((worker) => counts.has(worker) && this.isAlive(worker))).toBe(true);
    }
    for (const { state, index } of map.workers())
      if (state === 'removed') expect(this.master.stoppedWorkers).toContain(index);
    // Partitions that nobody can copy stay where they are, and leave their places to others.
    if (stuck > 0) return;
    const shares = [...counts.values()];
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  }

  private get partitions(): PartitionId[] {
    return this.master.state.map.partitionRecords().map(({ partition }) => partition);
  }

  private isAlive(worker: WorkerIndex): boolean {
    return this.alive.has(worker);
  }

  /** Those who may hold replicas. */
  private takers(): Worker[] {
    const { map } = this.master.state;
    return map.workers().filter(({ state, index }) => state === 'active' && this.isAlive(index));
  }

  /** Workers that are dead, but belong to the cluster, keep minInSync up, and with it a member that wants to leave. */
  private isHeld({ minInSync }: Configuration): boolean {
    return this.takers().length < minInSync;
  }

  /** Whether somebody who can leave has not left yet. */
  private isLeaving(): boolean {
    const { state } = this.master;
    const isStuck = (worker: WorkerIndex): boolean =>
      state.map.partitionRecords().some(({ configuration }) => {
        if (configuration === null || memberOf(configuration.insync, worker) === undefined) return false;
        return (
          !configuration.insync.some((member) => this.isAlive(member.worker)) || this.isHeld(configuration)
        );
      });
    const leaving = state.map.workers().filter(({ state: meant, index }) => {
      return meant === 'draining' && state.member(index)?.leaving === true;
    });
    return this.takers().length > 0 && leaving.some(({ index }) => !isStuck(index));
  }

  private motions(): number {
    const { map } = this.master.state;
    return motionsOf(map, (worker) => map.worker(worker)?.presence === 'up').length;
  }

  private async boot(worker: number): Promise<void> {
    const boot = (this.boots.get(worker) ?? 0) + 1;
    this.boots.set(worker, boot);
    this.alive.add(worker);
    await this.master.join(worker, { boot });
  }

  /** What the replicas of one partition do next. @returns false: nothing */
  private async act(i: number): Promise<boolean> {
    const partition = this.partitions[i];
    const { map } = this.master.state;
    const configuration = partition === undefined ? undefined : map.configurationOf(partition);
    const target = partition === undefined ? undefined : map.targetOf(partition);
    this.ids += 1;
    if (partition === undefined || configuration === undefined || target === undefined) return false;
    const step = this.stepOf(configuration, target);
    if (step === undefined) return false;
    const { gen, epoch } = configuration;
    const id = proposalId(`step-${this.ids}`);
    const decision = await this.master.propose({
      partition,
      expect: { gen, epoch },
      proposalId: id,
      ...step,
    });
    // A member may not leave before enough others are there.
    return decision.answer === 'accepted';
  }

  private stepOf(
    current: Configuration,
    target: Target,
  ): Pick<ReplicaProposal, 'kind' | 'next' | 'by'> | undefined {
    const { primary, insync } = current;
    if (!this.isAlive(primary.worker)) {
      const self = insync.find(({ worker }) => this.isAlive(worker));
      return self && { kind: 'promote', by: self, next: promotionOf(current, self) };
    }
    const dead = insync.filter(({ worker }) => !this.isAlive(worker));
    if (dead.length > 0) return { kind: 'remove', by: primary, next: removalOf(current, dead) };
    const missing = target.replicas.filter((worker) => memberOf(insync, worker) === undefined);
    const joining = missing.find((worker) => this.isAlive(worker));
    if (joining !== undefined) {
      const next = admissionOf(current, [this.replicaOn(joining)]);
      return { kind: 'add', by: primary, next };
    }
    if (missing.length > 0) return undefined;
    const surplus = insync.filter(({ worker }) => !target.replicas.includes(worker));
    const preferred = memberOf(insync, target.preferredPrimary);
    if (preferred !== undefined && !hasMember([primary], preferred))
      return { kind: 'handover', by: primary, next: handoverOf(current, preferred) };
    return surplus.length === 0
      ? undefined
      : { kind: 'leave', by: primary, next: removalOf(current, surplus) };
  }

  private replicaOn(worker: WorkerIndex): Member {
    return { worker, store: storeOf(worker), incarnation: incarnation(`${this.ids}`.padStart(16, '0')) };
  }
}

function expectRefusal(error: unknown): void {
  expect(error).toMatchObject({ code: 'bad-parameter' });
}

describe('Reconciler', () => {
  it('brings everything to rest where it should be, a few partitions at a time', async () => {
    const sizes = fc.record({
      partitions: fc.integer({ min: 1, max: 20 }),
      replicationFactor: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, events, async ({ partitions, replicationFactor }, happenings) => {
        const cluster = await Cluster.start(partitions, replicationFactor);
        try {
          for (const event of happenings) await cluster.happen(event);
          await cluster.rest();
          cluster.check(replicationFactor);
        } finally {
          await cluster.master.stop();
        }
      }),
      { numRuns: 60, examples: [[{ partitions: 2, replicationFactor: 1 }, HOLDER_LOST]] },
    );
  });
});
