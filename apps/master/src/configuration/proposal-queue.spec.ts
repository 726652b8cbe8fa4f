/** The desk where configurations change: each decision, alone and among others, through crashes and a second master. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Configuration, Decision, Member, Proposal, ReplicaProposal } from '@diststore/cluster';
import {
  admissionOf,
  handoverOf,
  incarnation,
  partitionId,
  promotionOf,
  proposalId,
  removalOf,
  secondaries,
  workerIndex,
} from '@diststore/cluster';
import type { Change, CommitResult, Compare, MetadataStore } from '@diststore/metadata';
import { MemoryStorage } from '@diststore/storage';

import {
  hashed,
  STARTUP_QUIET_MS,
  storeOf,
  TestMaster,
  type TestMasterOptions,
} from '../../test/test-master.js';
import { decideBatch } from './decide-batch.js';
import { forceProposal } from './force-proposal.js';

const open: TestMaster[] = [];
let ids = 0;

async function start(workers: readonly number[], options: TestMasterOptions = {}): Promise<TestMaster> {
  const master = await TestMaster.start({ bootstrapExpect: workers.length, ...options });
  open.push(master);
  for (const worker of workers) await master.join(worker);
  return master;
}

function configurationOf({ state }: TestMaster, partition = 0): Configuration {
  const configuration = state.map.configurationOf(partitionId(partition));
  if (configuration === undefined) throw new Error(`partition ${partition} is not created`);
  return configuration;
}

function proposed(
  configuration: Configuration,
  kind: ReplicaProposal['kind'],
  next: ReplicaProposal['next'],
  { by = configuration.primary, partition = 0 }: { by?: Member; partition?: number } = {},
): ReplicaProposal {
  ids += 1;
  const { gen, epoch } = configuration;
  return {
    kind,
    partition: partitionId(partition),
    expect: { gen, epoch },
    proposalId: proposalId(`p${ids}`),
    by,
    next,
  };
}

function restart(master: TestMaster, partition = 0): ReplicaProposal {
  const configuration = configurationOf(master, partition);
  const { primary, insync } = configuration;
  return proposed(configuration, 'restart', { primary, insync }, { partition });
}

function secondaryOf(configuration: Configuration): Member {
  const [secondary] = secondaries(configuration);
  if (secondary === undefined) throw new Error('no secondary');
  return secondary;
}

const answers = (decisions: readonly Decision[]): string[] => decisions.map(({ answer }) => answer);

describe('ProposalQueue', () => {
  afterEach(() => Promise.all(open.splice(0).map((master) => master.stop())));

  it('takes a configuration from creation through every kind of change', async () => {
    const master = await start([1, 2, 3], { formation: hashed(1, 3) });
    const created = configurationOf(master);
    expect(created).toMatchObject({ epoch: 1, kind: 'create', minInSync: 2 });
    expect(created.insync).toHaveLength(3);

    const secondary = secondaryOf(created);
    const promoted = await master.propose(
      proposed(created, 'promote', promotionOf(created, secondary), { by: secondary }),
    );
    expect(promoted).toMatchObject({ answer: 'accepted', configuration: { epoch: 2, primary: secondary } });

    const added = await master.propose(
      proposed(configurationOf(master), 'add', admissionOf(configurationOf(master), [created.primary])),
    );
    expect(added).toMatchObject({ answer: 'accepted', configuration: { epoch: 3, minInSync: 2 } });

    const full = configurationOf(master);
    await master.propose(proposed(full, 'handover', handoverOf(full, created.primary)));
    expect(configurationOf(master)).toMatchObject({ epoch: 4, primary: created.primary, kind: 'handover' });

    await master.propose(restart(master));
    const left = configurationOf(master);
    await master.propose(proposed(left, 'leave', removalOf(left, [secondary])));
    const two = configurationOf(master);
    expect(two.insync).toHaveLength(2);
    expect(await master.propose(proposed(two, 'leave', removalOf(two, [secondaryOf(two)])))).toEqual({
      answer: 'refused',
      reason: 'below-min-in-sync',
    });
    await master.propose(proposed(two, 'remove', removalOf(two, [secondaryOf(two)])));
    expect(configurationOf(master)).toMatchObject({ epoch: 7, kind: 'remove', eligible: [secondaryOf(two)] });

    const forced = forceProposal(master.state.map, {
      partition: partitionId(0),
      worker: secondaryOf(two).worker,
      incarnation: undefined,
      acceptDataLoss: false,
      id: proposalId('by-hand'),
    });
    expect(await master.propose(forced)).toMatchObject({ answer: 'accepted', configuration: { epoch: 8 } });
    expect(configurationOf(master).insync).toEqual([secondaryOf(two)]);
  });

  it('admits only registered stores of workers in the target', async () => {
    const master = await start([1, 2], { formation: hashed(1, 1) });
    const configuration = configurationOf(master);
    const other = configuration.primary.worker === 1 ? 2 : 1;
    const stranger = {
      worker: workerIndex(other),
      store: storeOf(other),
      incarnation: incarnation('0'.repeat(16)),
    };
    const add = (member: Member): Promise<Decision> =>
      master.propose(proposed(configuration, 'add', admissionOf(configuration, [member])));
    expect(await add(stranger)).toEqual({ answer: 'refused', reason: 'not-in-target' });
    const target = master.state.map.targetOf(partitionId(0));
    if (target === undefined) throw new Error('no target');
    await master.state.setTargets([
      {
        partition: partitionId(0),
        target: { ...target, rev: target.rev + 1, replicas: [...target.replicas, stranger.worker] },
      },
    ]);
    expect(await add({ ...stranger, store: storeOf(other, 2) })).toEqual({
      answer: 'refused',
      reason: 'not-registered',
    });
    expect((await add(stranger)).answer).toBe('accepted');
  });

  it('decides each of a batch by itself, and in one round for all partitions', async () => {
    const storage = new MemoryStorage();
    let commits = 0;
    const counting = (store: MetadataStore): MetadataStore => {
      const commit = store.commit.bind(store);
      store.commit = (compares, changes) => {
        commits += 1;
        return commit(compares, changes);
      };
      return store;
    };
    const master = await start([1], { storage, formation: hashed(300, 1), wrap: counting });
    const batch: Proposal[] = Array.from({ length: 300 }, (_unused, p) => restart(master, p));
    const stale = restart(master, 7);
    await master.propose(restart(master, 7));
    batch[7] = stale;
    const { primary, insync } = configurationOf(master, 9);
    batch[9] = proposed(configurationOf(master, 9), 'handover', { primary, insync }, { partition: 9 });
    commits = 0;
    const decisions = await master.queue.propose(batch);
    expect(decisions[7]).toMatchObject({ answer: 'conflict', configuration: { epoch: 2 } });
    expect(decisions[9]).toEqual({ answer: 'refused', reason: 'wrong-next' });
    expect(answers(decisions).filter((answer) => answer === 'accepted')).toHaveLength(298);
    expect(commits).toBe(Math.ceil(298 / 128));
  });

  it('decides two proposals for one partition one after the other', async () => {
    const master = await start([1]);
    const [first, second] = [restart(master), restart(master)];
    expect(answers(await master.queue.propose([first, second]))).toEqual(['accepted', 'conflict']);
    expect(configurationOf(master).proposalId).toBe(first.proposalId);
  });

  it('recognises a proposal whose answer was lost, also after a restart of the master', async () => {
    const storage = new MemoryStorage();
    const first = await start([1], { storage });
    const proposal = restart(first);
    expect((await first.propose(proposal)).answer).toBe('accepted');
    expect((await first.propose(proposal)).answer).toBe('already-accepted');
    open.splice(0);
    await first.stop();
    const second = await start([1], { storage, boot: 2 });
    const again = await second.propose(proposal);
    expect(again).toMatchObject({ answer: 'already-accepted', configuration: { epoch: 2 } });
    await second.propose(restart(second));
    expect((await second.propose(proposal)).answer).toBe('conflict');
  });

  it('answers nothing before it is durable, and says that an outcome is unknown when it is', async () => {
    let fail = false;
    const failing = (store: MetadataStore): MetadataStore => {
      const commit = store.commit.bind(store);
      store.commit = async (compares, changes) => {
        const result = await commit(compares, changes);
        if (fail) throw Object.assign(new Error('no answer'), { code: 'outcome-unknown' });
        return result;
      };
      return store;
    };
    const master = await start([1], { wrap: failing });
    const proposal = restart(master);
    fail = true;
    await expect(master.propose(proposal)).rejects.toMatchObject({ code: 'outcome-unknown' });
    fail = false;
    // It was stored, and asking again says so.
    expect((await master.propose(proposal)).answer).toBe('already-accepted');
  });

  it('decides again on what another master has left, without failing the others of the commit', async () => {
    let interfere: (() => Promise<CommitResult>) | undefined;
    const raced = (store: MetadataStore): MetadataStore => {
      const commit = store.commit.bind(store);
      store.commit = async (compares: readonly Compare[], changes: readonly Change[]) => {
        const before = interfere;
        interfere = undefined;
        await before?.();
        return commit(compares, changes);
      };
      return store;
    };
    const master = await start([1], { wrap: raced });
    const theirs = { ...configurationOf(master, 2), epoch: 2, proposalId: 'theirs' };
    const row = await master.store.get('conf/2');
    const value = JSON.stringify({
      ...(JSON.parse(row?.value ?? '') as object),
      epoch: 2,
      proposalId: 'theirs',
    });
    const batch = [restart(master, 1), restart(master, 2), restart(master, 3)];
    interfere = () => master.store.commit([], [{ type: 'put', name: 'conf/2', value }]);
    const decisions = await master.queue.propose(batch);
    expect(answers(decisions)).toEqual(['accepted', 'conflict', 'accepted']);
    expect(decisions[1]).toMatchObject({ configuration: { epoch: theirs.epoch, proposalId: 'theirs' } });
  });

  it('takes nothing just after a start until all registered workers have reported, or a while has passed', async () => {
    const storage = new MemoryStorage();
    const first = await start([1, 2], { storage });
    const proposal = restart(first);
    open.splice(0);
    await first.stop();
    const second = await start([], { storage, boot: 2 });
    await second.join(1);
    await expect(second.propose(proposal)).rejects.toMatchObject({ code: 'retry-later' });
    // Who only asks whether proposals are taken is told the same.
    await expect(second.queue.propose([])).rejects.toMatchObject({ code: 'retry-later' });
    await second.join(2);
    expect(await second.queue.propose([])).toEqual([]);
    expect((await second.propose(proposal)).answer).toBe('accepted');
    open.splice(0);
    await second.stop();
    const third = await start([], { storage, boot: 3 });
    await expect(third.propose(proposal)).rejects.toMatchObject({ code: 'retry-later' });
    third.clock.nowMs += STARTUP_QUIET_MS;
    expect((await third.propose(proposal)).answer).toBe('already-accepted');
  });

  it('raises minInSync with the add that makes enough, and never by itself', async () => {
    const master = await start([1], { formation: hashed(1, 3) });
    expect(configurationOf(master).minInSync).toBe(1);
    await master.join(2);
    await master.join(3);
    await master.reconciler.run();
    expect(configurationOf(master).minInSync).toBe(1);
    const joining = [2, 3].map((worker) => ({
      worker: workerIndex(worker),
      store: storeOf(worker),
      incarnation: incarnation(`${worker}`.padStart(16, '0')),
    }));
    for (const [member, minInSync] of [
      [joining[0], 2],
      [joining[1], 2],
    ] as const) {
      if (member === undefined) throw new Error('no member');
      const configuration = configurationOf(master);
      const decision = await master.propose(
        proposed(configuration, 'add', admissionOf(configuration, [member])),
      );
      expect(decision).toMatchObject({ answer: 'accepted', configuration: { minInSync } });
    }
    // A worker that is merely silent lowers nothing; one that an operator takes away does.
    master.clock.nowMs += 10 * 60_000;
    await master.registry.updatePresences();
    await master.reconciler.run();
    expect(configurationOf(master).minInSync).toBe(2);
    await master.departures.remove(2);
    await master.departures.remove(3);
    await master.reconciler.run();
    expect(configurationOf(master)).toMatchObject({ minInSync: 1, kind: 'policy', by: 'master' });
  });

  it('speaks to nobody in the name of another', async () => {
    const master = await start([1, 2], { formation: hashed(2, 1) });
    const batch = [restart(master, 0), restart(master, 1)];
    const own = [0, 1].map((partition) => configurationOf(master, partition).primary.worker === 1);
    const speaker = { store: storeOf(1), boot: 1, nonce: '1'.repeat(16) };
    const operator = { ...batch[0], kind: 'policy', by: 'operator' } as unknown as Proposal;
    const decisions = await decideBatch(
      { worker: workerIndex(1), speaker, proposals: [...batch, operator] },
      (proposals) => master.queue.propose(proposals),
    );
    expect(decisions.map(({ answer }) => answer === 'accepted')).toEqual([...own, false]);
    expect(decisions[2]).toEqual({ answer: 'refused', reason: 'wrong-proposer' });
  });

  it('under local keeps every partition with its own worker, and knows no partition 0', async () => {
    const master = await start([1, 2], { formation: { placement: 'local' } });
    const configuration = configurationOf(master, 2);
    const next = admissionOf(configuration, [configurationOf(master, 1).primary]);
    expect(await master.propose(proposed(configuration, 'add', next, { partition: 2 }))).toEqual({
      answer: 'refused',
      reason: 'not-the-owner',
    });
    expect(
      (await master.propose({ ...restart(master, 2), partition: partitionId(0), expect: null })).answer,
    ).toBe('refused');
  });
});
