/**
 * Goal: whatever is proposed, by whomever, in whatever order, the rules of a configuration hold, and a replica that
 * may become primary without an operator accepting loss has every acknowledged write.
 *
 * Method: random proposals, most of them almost right, against one record; beside it a model that knows which writes
 * each replica holds. A write is acknowledged only while enough members are in sync, and is then held by all of them;
 * who joins is given everything, who is wiped (a new incarnation or store) holds nothing.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { context, member, storeAt, target } from '../test/fixtures.js';
import { CHANGE_KINDS, hasEnoughInSync, problemOfConfiguration } from './configuration.js';
import type { Configuration, Proposer } from './configuration.js';
import { generation, partitionId, proposalId, workerIndex } from './ids.js';
import type { StoreId, WorkerIndex } from './ids.js';
import { hasMember, without } from './member.js';
import type { Member } from './member.js';
import type { Proposal } from './proposal.js';
import { encodeMember } from './record-codec.js';
import { decide } from './transition.js';
import { compareVer, nextVer, sameVer } from './ver.js';

const WORKERS = 5;

/** A few random numbers, made into whatever a step needs. */
const steps = fc.array(
  fc.record({
    what: fc.constantFrom<'propose' | 'write' | 'wipe' | 'replace'>(
      'propose',
      'propose',
      'propose',
      'write',
      'wipe',
      'replace',
    ),
    kind: fc.constantFrom(...CHANGE_KINDS),
    worker: fc.integer({ min: 1, max: WORKERS }),
    other: fc.integer({ min: 1, max: WORKERS }),
    number: fc.integer({ min: 1, max: 4 }),
    flag: fc.boolean(),
    /** One time in four the proposal is spoilt in some way. */
    spoil: fc.constantFrom('no', 'no', 'no', 'no', 'no', 'no', 'expect', 'by', 'extra', 'fewer'),
  }),
  { minLength: 30, maxLength: 80 },
);
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never;

class Cluster {
  record: Configuration | undefined;
  acknowledged = new Set<number>();
  private nextWrite = 1;
  private nextProposal = 1;
  private readonly identity = new Map<number, { store: number; incarnation: number }>();
  private readonly writes = new Map<string, Set<number>>();

  replicaOn(worker: number): Member {
    return member(worker, this.identity.get(worker) ?? { store: 1, incarnation: 1 });
  }

  writesOf(replica: Member): Set<number> {
    const name = encodeMember(replica);
    const found = this.writes.get(name) ?? new Set();
    this.writes.set(name, found);
    return found;
  }

  write(): void {
    if (this.record === undefined) return;
    const write = this.nextWrite++;
    for (const each of this.record.insync) this.writesOf(each).add(write);
    if (hasEnoughInSync(this.record)) this.acknowledged.add(write);
  }

  /** The replica is lost: only allowed here while it counts for nothing, since otherwise any promise is off. */
  lose(worker: number, isDisk: boolean): void {
    const replica = this.replicaOn(worker);
    if (this.record !== undefined && hasMember(this.record.insync, replica)) return;
    const { store, incarnation } = this.identity.get(worker) ?? { store: 1, incarnation: 1 };
    this.identity.set(
      worker,
      isDisk ? { store: store + 1, incarnation: 1 } : { store, incarnation: incarnation + 1 },
    );
  }

  context(step: Step): ReturnType<typeof context> {
    const registered = new Map<WorkerIndex, StoreId>();
    for (let w = 1; w <= WORKERS; w++)
      registered.set(workerIndex(w), storeAt(w, this.identity.get(w)?.store ?? 1));
    return context({ registered, target: target(1, 2, 3, 4, 5), minInSyncGoal: step.number });
  }

  propose(step: Step): void {
    const before = this.record;
    const proposal = this.proposalOf(step);
    const decision = decide(before, proposal, this.context(step));
    if (decision.answer !== 'accepted') return;
    const after = decision.configuration;
    expect(problemOfConfiguration(after)).toBeUndefined();
    if (before !== undefined) {
      expect(compareVer(after, before)).toBeGreaterThan(0);
      if (after.kind !== 'recover') expect(sameVer(after, nextVer(before))).toBe(true);
      const joined = without(after.insync, before.insync);
      if (!['add', 'recover', 'force'].includes(after.kind)) expect(joined).toEqual([]);
      // Catching up comes before joining.
      if (after.kind === 'add') for (const each of joined) this.copy(before.primary, each);
      // Accepting the loss of what the named replica lacks is the only way to lose anything.
      if (proposal.kind === 'force' && proposal.acceptDataLoss)
        this.acknowledged = new Set(
          [...this.acknowledged].filter((w) => this.writesOf(after.primary).has(w)),
        );
    }
    this.record = after;
    expect(decide(after, proposal, this.context(step)).answer).toBe('already-accepted');
  }

  check(): void {
    if (this.record === undefined) return;
    for (const each of [...this.record.insync, ...this.record.eligible])
      for (const write of this.acknowledged)
        if (!this.writesOf(each).has(write)) throw new Error(`lost write ${write}`);
  }

  private copy(from: Member, to: Member): void {
    for (const write of this.writesOf(from)) this.writesOf(to).add(write);
  }

  private proposalOf(step: Step): Proposal {
    const { record } = this;
    const one = this.replicaOn(step.worker);
    const two = this.replicaOn(step.other);
    const insync = record?.insync ?? [];
    const primary = record?.primary ?? one;
    const next = { primary, insync };
    const all = Array.from({ length: WORKERS }, (_, i) => this.replicaOn(i + 1));
    const exact = record === undefined ? null : { gen: record.gen, epoch: record.epoch };
    const base = {
      partition: partitionId(0),
      expect: step.spoil === 'expect' && exact !== null ? nextVer(exact) : exact,
      proposalId: proposalId(`p${this.nextProposal++}`),
      by: (step.spoil === 'by' ? two : primary) as Proposer,
    };
    const spoilt = (members: readonly Member[]): readonly Member[] => {
      if (step.spoil === 'extra') return [...members, two];
      return step.spoil === 'fewer' ? members.slice(1) : members;
    };
    switch (step.kind) {
      case 'create':
        return { ...base, kind: 'create', by: 'master', next: { primary: one, insync: spoilt(all) } };
      case 'promote':
        return {
          ...base,
          kind: 'promote',
          by: one,
          next: { primary: one, insync: spoilt(without(insync, [primary])) },
        };
      case 'restart':
        return { ...base, kind: 'restart', next: { primary, insync: spoilt(insync) } };
      case 'remove':
      case 'leave':
        return { ...base, kind: step.kind, next: { primary, insync: spoilt(without(insync, [one, two])) } };
      case 'add':
        return { ...base, kind: 'add', next: { primary, insync: spoilt([...insync, one]) } };
      case 'handover':
        return { ...base, kind: 'handover', next: { primary: one, insync: spoilt(insync) } };
      case 'policy':
        return {
          ...base,
          kind: 'policy',
          by: 'master',
          next: { ...next, insync: spoilt(insync), minInSync: step.number },
        };
      case 'force':
        return {
          ...base,
          kind: 'force',
          by: 'operator',
          next: { primary: one, insync: spoilt([one]) },
          acceptDataLoss: step.flag,
        };
      case 'recover':
        return {
          ...base,
          kind: 'recover',
          by: 'master',
          gen: generation((record?.gen ?? 1) + 1),
          base: exact ?? {
            gen: generation(1),
            epoch: nextVer({ gen: generation(1), epoch: 1 as never }).epoch,
          },
          next: {
            ...next,
            insync: record === undefined ? all : insync,
            primary,
            minInSync: record?.minInSync ?? 1,
            eligible: record?.eligible ?? [],
          },
        };
      default:
        throw new Error('unknown kind');
    }
  }
}

describe('configurations under random proposals', () => {
  const RUNS = 1000;

  it('only legal ones follow, and none forgets an acknowledged write', () => {
    const seen = new Map<string, number>();
    let runs = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        runs += 1;
        const cluster = new Cluster();
        for (const step of sequence) {
          if (step.what === 'propose') cluster.propose(step);
          else if (step.what === 'write') cluster.write();
          else cluster.lose(step.worker, step.what === 'replace');
          cluster.check();
          const kind = cluster.record?.kind;
          if (kind !== undefined) seen.set(kind, (seen.get(kind) ?? 0) + 1);
          if (cluster.record !== undefined && cluster.record.eligible.length > 0) seen.set('eligible', 1);
        }
      }),
      { numRuns: RUNS },
    );
    // Runs that never reached some kind would have proved nothing about it. Fewer may miss some.
    if (runs >= RUNS) expect([...seen.keys()].sort()).toEqual([...CHANGE_KINDS, 'eligible'].sort());
  });
});
