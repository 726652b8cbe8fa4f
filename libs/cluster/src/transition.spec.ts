import { describe, expect, it } from '@jest/globals';

import { configuration, context, member, members, storeAt, target, ver } from '../test/fixtures.js';
import type { Configuration, Roles } from './configuration.js';
import { generation, partitionId, proposalId, workerIndex } from './ids.js';
import { MEMBERS_MAX } from './member.js';
import type { Proposal, RecoverProposal } from './proposal.js';
import { admissionOf, handoverOf, promotionOf, removalOf } from './proposal.js';
import { decide, minInSyncGoal } from './transition.js';
import type { Decision } from './transition.js';

const stored = configuration();
const [a, b, c] = members(1, 2, 3) as [
  ReturnType<typeof member>,
  ReturnType<typeof member>,
  ReturnType<typeof member>,
];
const d = member(4);

/** A proposal on top of `current`, with the parts that every kind has. */
function proposal<P extends Partial<Proposal>>(parts: P, current: Configuration | null = stored) {
  const expect = current === null ? null : { gen: current.gen, epoch: current.epoch };
  return { partition: partitionId(0), expect, proposalId: proposalId('mine'), ...parts } as P & Proposal;
}

const roles = ({ primary, insync }: Configuration): Roles => ({ primary, insync });

function accepted(decision: Decision): Configuration {
  if (decision.answer !== 'accepted') throw new Error(JSON.stringify(decision));
  return decision.configuration;
}

const refused = (reason: string) => ({ answer: 'refused', reason });

describe('any proposal', () => {
  const promotion = proposal({ kind: 'promote', by: b, next: promotionOf(stored, b) });

  it('accepted: the next epoch of the same generation, and who changed it how', () => {
    expect(accepted(decide(stored, promotion, context()))).toEqual({
      ...ver(1, 6),
      primary: b,
      insync: [b, c],
      eligible: [],
      minInSync: 1,
      kind: 'promote',
      proposalId: 'mine',
      by: b,
    });
  });

  it('conflict with another record than expected, which the proposer learns', () => {
    const newer = configuration({ ...ver(1, 6) });
    expect(decide(newer, promotion, context())).toEqual({ answer: 'conflict', configuration: newer });
    const rebuilt = configuration({ ...ver(2, 5) });
    expect(decide(rebuilt, promotion, context())).toEqual({ answer: 'conflict', configuration: rebuilt });
    expect(decide(undefined, promotion, context())).toEqual({ answer: 'conflict', configuration: undefined });
  });

  it('sent again after it was accepted: already accepted, nothing changes', () => {
    const first = accepted(decide(stored, promotion, context()));
    expect(decide(first, promotion, context())).toEqual({ answer: 'already-accepted', configuration: first });
  });

  it('sent again after someone changed more: conflict', () => {
    const first = accepted(decide(stored, promotion, context()));
    const restart = proposal(
      { kind: 'restart', by: b, next: roles(first), proposalId: proposalId('other') },
      first,
    );
    const second = accepted(decide(first, restart, context()));
    expect(decide(second, promotion, context()).answer).toBe('conflict');
  });

  it('is refused when it reuses the id of the record it wants to replace', () => {
    const reuse = proposal({ kind: 'restart', by: a, next: roles(stored), proposalId: stored.proposalId });
    expect(decide(stored, reuse, context())).toEqual(refused('proposal-id-reused'));
  });

  it('is refused when the next primary is not in sync, or a worker is in sync twice, or too many are', () => {
    const none = proposal({ kind: 'remove', by: a, next: { primary: a, insync: [b, c] } });
    expect(decide(stored, none, context())).toEqual(refused('wrong-next'));
    const empty = proposal({ kind: 'remove', by: a, next: { primary: a, insync: [] } });
    expect(decide(stored, empty, context())).toEqual(refused('wrong-next'));
    const twice = admissionOf(stored, [member(2, { incarnation: 2 })]);
    expect(decide(stored, proposal({ kind: 'add', by: a, next: twice }), context())).toEqual(
      refused('worker-already-in-sync'),
    );
    const many = members(...Array.from({ length: MEMBERS_MAX + 1 }, (_, i) => i + 1));
    expect(
      decide(stored, proposal({ kind: 'add', by: a, next: { primary: a, insync: many } }), context()),
    ).toEqual(refused('too-many-members'));
  });

  it('is refused for a partition that is not created, unless it creates it', () => {
    const orphan = proposal({ kind: 'restart', by: a, next: roles(stored) }, null);
    expect(decide(undefined, orphan, context())).toEqual(refused('not-created'));
  });
});

describe('who may propose', () => {
  const byReplicas = [
    ['promote', promotionOf(stored, b), b],
    ['restart', roles(stored), a],
    ['remove', removalOf(stored, [c]), a],
    ['leave', removalOf(stored, [c]), a],
    ['add', admissionOf(stored, [d]), a],
    ['handover', handoverOf(stored, b), a],
  ] as const;

  it.each(byReplicas)('%s: its proposer and nobody else', (kind, next, rightful) => {
    for (const by of [
      a,
      b,
      c,
      d,
      'master',
      'operator',
      member(1, { store: 2 }),
      member(1, { incarnation: 2 }),
    ] as const) {
      const decision = decide(stored, proposal({ kind, by, next }), context());
      // Another secondary promoting this one is refused for what it asks, not for asking.
      const expected =
        by === rightful ? 'accepted' : kind === 'promote' && by === c ? 'wrong-next' : 'wrong-proposer';
      expect(decision.answer === 'refused' ? decision.reason : decision.answer).toBe(expected);
    }
  });

  it.each(byReplicas)('%s: not from a store that is no longer registered', (kind, next, by) => {
    const registered = new Map([...context().registered, [by.worker, storeAt(by.worker, 2)]]);
    expect(decide(stored, proposal({ kind, by, next }), context({ registered }))).toEqual(
      refused('not-registered'),
    );
  });

  it('create, policy, force and recover are not for replicas; force is for a person, create for the master', () => {
    const next = { ...roles(stored), minInSync: 1, eligible: [] };
    const recover = { kind: 'recover', gen: generation(2), base: ver(1, 5), next } as const;
    const all = [
      { kind: 'policy', next },
      { kind: 'force', next: { primary: b, insync: [b] }, acceptDataLoss: true },
      recover,
    ] as const;
    for (const each of all)
      expect(decide(stored, proposal({ ...each, by: a }), context())).toEqual(refused('wrong-proposer'));
    expect(decide(stored, proposal({ ...all[1], by: 'master' }), context())).toEqual(
      refused('wrong-proposer'),
    );
    const create = { kind: 'create', next: roles(stored) } as const;
    expect(decide(undefined, proposal({ ...create, by: 'operator' }, null), context())).toEqual(
      refused('wrong-proposer'),
    );
  });
});

describe('create', () => {
  const create = proposal({ kind: 'create', by: 'master', next: roles(stored) }, null);
  const placed = context({ target: target(3, 1, 2) });

  it('makes the first record, of epoch 1, with all replicas of the target in sync', () => {
    expect(accepted(decide(undefined, create, placed))).toMatchObject({
      gen: 1,
      epoch: 1,
      insync: [a, b, c],
      minInSync: 2,
    });
  });

  it('only where there is none', () => {
    expect(decide(stored, create, placed)).toEqual({ answer: 'conflict', configuration: stored });
    const again = proposal({ kind: 'create', by: 'master', next: roles(stored) });
    expect(decide(stored, again, placed)).toEqual(refused('already-created'));
  });

  it('only with the whole target, and with registered stores', () => {
    expect(decide(undefined, create, context({ target: target(1, 2) }))).toEqual(refused('not-in-target'));
    expect(decide(undefined, create, context({ target: target(1, 2, 4) }))).toEqual(refused('not-in-target'));
    expect(decide(undefined, create, context({ target: undefined }))).toEqual(refused('not-in-target'));
    const other = proposal(
      { kind: 'create', by: 'master', next: { primary: a, insync: [a, b, member(3, { store: 2 })] } },
      null,
    );
    expect(decide(undefined, other, placed)).toEqual(refused('not-registered'));
  });

  it('under placement local: on the owner and nowhere else', () => {
    const alone = (worker: number): Proposal =>
      proposal(
        { kind: 'create', by: 'master', next: { primary: member(worker), insync: members(worker) } },
        null,
      );
    const own = { owner: workerIndex(1), minInSyncGoal: 1 };
    expect(decide(undefined, alone(1), context({ ...own, target: target(1) })).answer).toBe('accepted');
    expect(decide(undefined, alone(2), context({ ...own, target: target(2) }))).toEqual(
      refused('not-the-owner'),
    );
  });
});

describe('promote', () => {
  it('drops the old primary and nobody else', () => {
    const wrong: Roles[] = [
      { primary: b, insync: [a, b, c] },
      { primary: b, insync: [b] },
      { primary: b, insync: [b, c, d] },
      { primary: c, insync: [b, c] },
    ];
    for (const next of wrong)
      expect(decide(stored, proposal({ kind: 'promote', by: b, next }), context())).toEqual(
        refused('wrong-next'),
      );
  });

  it('is allowed below minInSync: somebody has to serve reads', () => {
    const three = configuration({ minInSync: 3 });
    const next = accepted(
      decide(three, proposal({ kind: 'promote', by: b, next: promotionOf(three, b) }), context()),
    );
    expect(next).toMatchObject({ insync: [b, c], minInSync: 3, eligible: [a] });
  });
});

describe('restart and handover', () => {
  it('restart changes nothing but the epoch', () => {
    const next = accepted(
      decide(stored, proposal({ kind: 'restart', by: a, next: roles(stored) }), context()),
    );
    expect(next).toMatchObject({ ...ver(1, 6), primary: a, insync: [a, b, c] });
    const fewer = proposal({ kind: 'restart', by: a, next: { primary: a, insync: [a, b] } });
    expect(decide(stored, fewer, context())).toEqual(refused('wrong-next'));
  });

  it('handover changes the primary only, to a member whose store is still the registered one', () => {
    const next = accepted(
      decide(stored, proposal({ kind: 'handover', by: a, next: handoverOf(stored, c) }), context()),
    );
    expect(next).toMatchObject({ primary: c, insync: [a, b, c] });
    const toItself = proposal({ kind: 'handover', by: a, next: handoverOf(stored, a) });
    expect(decide(stored, toItself, context())).toEqual(refused('wrong-next'));
    const leaving = proposal({ kind: 'handover', by: a, next: { primary: b, insync: [b, c] } });
    expect(decide(stored, leaving, context())).toEqual(refused('wrong-next'));
    const registered = new Map([...context().registered, [c.worker, storeAt(3, 2)]]);
    const toLost = proposal({ kind: 'handover', by: a, next: handoverOf(stored, c) });
    expect(decide(stored, toLost, context({ registered }))).toEqual(refused('not-registered'));
  });
});

describe('remove and leave', () => {
  const of = (kind: 'remove' | 'leave', next: Roles, current = stored) =>
    decide(current, proposal({ kind, by: a, next }, current), context());

  it.each(['remove', 'leave'] as const)('%s: one or more secondaries, nothing else', (kind) => {
    expect(accepted(of(kind, removalOf(stored, [b, c]))).insync).toEqual([a]);
    expect(of(kind, roles(stored))).toEqual(refused('wrong-next'));
    expect(of(kind, { primary: b, insync: [b, c] })).toEqual(refused('wrong-next'));
    expect(of(kind, { primary: a, insync: [a, b, d] })).toEqual(refused('wrong-next'));
  });

  it('remove goes below minInSync, and then remembers who holds every acknowledged write', () => {
    const two = configuration({ minInSync: 2 });
    const one = accepted(of('remove', removalOf(two, [b, c]), two));
    expect(one).toMatchObject({ insync: [a], minInSync: 2, eligible: [b, c] });
  });

  it('remove in two steps: those that left while enough remained are not eligible', () => {
    const two = configuration({ minInSync: 2 });
    const first = accepted(of('remove', removalOf(two, [c]), two));
    expect(first).toMatchObject({ insync: [a, b], eligible: [] });
    const next = proposal(
      { kind: 'remove', by: a, next: removalOf(first, [b]), proposalId: proposalId('next') },
      first,
    );
    expect(accepted(decide(first, next, context()))).toMatchObject({ insync: [a], eligible: [b] });
  });

  it('leave is refused when too few would remain', () => {
    const two = configuration({ minInSync: 2 });
    expect(of('leave', removalOf(two, [b, c]), two)).toEqual(refused('below-min-in-sync'));
    expect(accepted(of('leave', removalOf(two, [c]), two)).insync).toEqual([a, b]);
  });
});

describe('add', () => {
  const alone = configuration({ insync: [a], minInSync: 1 });
  const add = (current: Configuration, joining: Parameters<typeof admissionOf>[1], parts = {}) =>
    decide(
      current,
      proposal({ kind: 'add', by: a, next: admissionOf(current, joining) }, current),
      context(parts),
    );

  it('keeps ranks: who joins comes last', () => {
    expect(accepted(add(stored, [d])).insync).toEqual([a, b, c, d]);
    const shuffled = proposal({ kind: 'add', by: a, next: { primary: a, insync: [d, c, a, b] } });
    expect(accepted(decide(stored, shuffled, context())).insync).toEqual([a, b, c, d]);
  });

  it('only registered stores of workers in the target; the target may be newer than the proposer knew', () => {
    expect(add(alone, [b], { target: target(1, 3) })).toEqual(refused('not-in-target'));
    expect(add(alone, [b], { target: undefined })).toEqual(refused('not-in-target'));
    expect(add(alone, [member(2, { store: 2 })])).toEqual(refused('not-registered'));
    expect(add(alone, [member(10)], { target: target(1, 10) })).toEqual(refused('not-registered'));
  });

  it('nobody joins, or somebody leaves with it: refused', () => {
    expect(decide(stored, proposal({ kind: 'add', by: a, next: roles(stored) }), context())).toEqual(
      refused('wrong-next'),
    );
    const swap = { primary: a, insync: [a, c, member(2, { incarnation: 2 })] };
    expect(decide(stored, proposal({ kind: 'add', by: a, next: swap }), context())).toEqual(
      refused('wrong-next'),
    );
  });

  it('raises minInSync to the goal once that many are in sync, not before', () => {
    const goal = { minInSyncGoal: 3 };
    const two = accepted(add(alone, [b], goal));
    expect(two.minInSync).toBe(1);
    const next = proposal(
      { kind: 'add', by: a, next: admissionOf(two, [c]), proposalId: proposalId('next') },
      two,
    );
    expect(accepted(decide(two, next, context(goal))).minInSync).toBe(3);
  });

  it('never lowers minInSync', () => {
    const strict = configuration({ minInSync: 3 });
    expect(accepted(add(strict, [d], { minInSyncGoal: 1 })).minInSync).toBe(3);
  });

  it('below minInSync the others stay eligible; once enough are in sync nobody is', () => {
    const low = configuration({ insync: [a], minInSync: 3, eligible: [b, c] });
    const two = accepted(add(low, [d]));
    expect(two).toMatchObject({ insync: [a, d], eligible: [b, c] });
    const next = proposal(
      { kind: 'add', by: a, next: admissionOf(two, [b]), proposalId: proposalId('next') },
      two,
    );
    expect(accepted(decide(two, next, context()))).toMatchObject({ insync: [a, d, b], eligible: [] });
  });

  it('a wiped replica that joins again is no longer eligible under its old incarnation', () => {
    const low = configuration({ insync: [a], minInSync: 3, eligible: [b, c] });
    const reborn = member(2, { incarnation: 2 });
    expect(accepted(add(low, [reborn]))).toMatchObject({ insync: [a, reborn], eligible: [c] });
  });
});

describe('policy', () => {
  const policy = (minInSync: number, current = stored) =>
    decide(
      current,
      proposal({ kind: 'policy', by: 'operator', next: { ...roles(current), minInSync } }, current),
      context(),
    );

  it('sets minInSync, up to the number in sync', () => {
    expect(accepted(policy(3))).toMatchObject({ ...roles(stored), minInSync: 3 });
    expect(policy(4)).toEqual(refused('min-in-sync-out-of-range'));
    expect(policy(0)).toEqual(refused('min-in-sync-out-of-range'));
  });

  it('lowered so that writes go on: nobody is eligible any more', () => {
    const low = configuration({ insync: [a], minInSync: 3, eligible: [b, c] });
    expect(accepted(policy(2, low))).toMatchObject({ minInSync: 2, eligible: [b, c] });
    expect(accepted(policy(1, low))).toMatchObject({ minInSync: 1, eligible: [] });
  });

  it('changes nothing else', () => {
    const next = { primary: b, insync: [a, b, c], minInSync: 2 };
    expect(decide(stored, proposal({ kind: 'policy', by: 'operator', next }), context())).toEqual(
      refused('wrong-next'),
    );
  });
});

describe('force', () => {
  const low = configuration({ insync: [a], minInSync: 2, eligible: [b] });
  const force = (to: ReturnType<typeof member>, acceptDataLoss: boolean, current = low) =>
    decide(
      current,
      proposal(
        { kind: 'force', by: 'operator', next: { primary: to, insync: [to] }, acceptDataLoss },
        current,
      ),
      context(),
    );

  it('an eligible replica takes over alone, without loss; the old members stay eligible until writes go on', () => {
    expect(accepted(force(b, false))).toMatchObject({ primary: b, insync: [b], minInSync: 2, eligible: [a] });
    expect(accepted(force(b, false, configuration()))).toMatchObject({
      insync: [b],
      minInSync: 1,
      eligible: [],
    });
  });

  it('any other registered replica only if the loss is accepted', () => {
    expect(force(c, false)).toEqual(refused('data-loss-not-accepted'));
    expect(accepted(force(c, true))).toMatchObject({ insync: [c], eligible: [b, a] });
    expect(force(member(3, { store: 2 }), true)).toEqual(refused('not-registered'));
  });

  it('names one replica', () => {
    const next = { primary: b, insync: [b, c] };
    const two = proposal({ kind: 'force', by: 'operator', next, acceptDataLoss: true }, low);
    expect(decide(low, two, context())).toEqual(refused('wrong-next'));
  });
});

describe('recover', () => {
  const next: RecoverProposal['next'] = { primary: b, insync: [b, c], minInSync: 2, eligible: [] };
  const recover = (
    gen: number,
    base: ReturnType<typeof ver>,
    current: Configuration | undefined,
    to = next,
  ) =>
    decide(
      current,
      proposal({ kind: 'recover', by: 'master', gen: generation(gen), base, next: to }, current ?? null),
      context(),
    );

  it('repeats the newest configuration any worker knows, under the new generation and the next epoch', () => {
    expect(accepted(recover(2, ver(1, 9), stored))).toMatchObject({
      ...ver(2, 10),
      primary: b,
      insync: [b, c],
      minInSync: 2,
    });
    expect(accepted(recover(4, ver(3, 9), undefined))).toMatchObject(ver(4, 10));
  });

  it('only forward: a newer generation, and nothing older than the stored record', () => {
    expect(recover(1, ver(1, 9), stored)).toEqual(refused('recovery-not-newest'));
    expect(recover(2, ver(1, 4), stored)).toEqual(refused('recovery-not-newest'));
  });

  it('of the stored version itself, it repeats the stored configuration', () => {
    expect(recover(2, ver(1, 5), stored)).toEqual(refused('wrong-next'));
    expect(accepted(recover(2, ver(1, 5), stored, { ...next, ...roles(stored) }))).toMatchObject(ver(2, 6));
  });
});

describe('the goal for minInSync', () => {
  it.each([
    [3, 1, 1],
    [3, 2, 1],
    [3, 3, 2],
    [3, 9, 2],
    [5, 5, 3],
    [1, 9, 1],
    [3, 0, 1],
  ])('replication factor %i, %i workers: %i', (replicationFactor, registeredWorkers, goal) => {
    expect(minInSyncGoal({ replicationFactor, registeredWorkers })).toBe(goal);
  });

  it('is never above what the settings allow', () => {
    expect(minInSyncGoal({ replicationFactor: 5, registeredWorkers: 5, minInSyncMax: 2 })).toBe(2);
    expect(minInSyncGoal({ replicationFactor: 3, registeredWorkers: 3, minInSyncMax: 3 })).toBe(2);
  });
});
