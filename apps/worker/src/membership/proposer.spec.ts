import { describe, expect, it } from '@jest/globals';
import type { Decision, Proposal } from '@diststore/cluster';
import {
  decodeProposalBatch,
  encodeDecisions,
  epoch,
  generation,
  incarnation,
  partitionId,
  PROPOSALS_PER_BATCH_MAX,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';

import type { MasterClient } from './master-client.js';
import { Proposer } from './proposer.js';

const store = storeId('a'.repeat(32));
const self = { worker: workerIndex(1), speaker: { store, boot: 1, nonce: '0'.repeat(16) } };
const member = { worker: self.worker, store, incarnation: incarnation('b'.repeat(16)) };

function proposal(partition: number): Proposal {
  return {
    kind: 'restart',
    partition: partitionId(partition),
    expect: { gen: generation(1), epoch: epoch(1) },
    proposalId: proposalId(`p${partition}`),
    by: member,
    next: { primary: member, insync: [member] },
  };
}

/** Refuses everything, in the order asked, when the test lets it. */
class Master implements MasterClient {
  readonly batches: number[] = [];
  private readonly held: (() => void)[] = [];
  isHolding = false;
  answer: (proposals: readonly Proposal[]) => unknown = (proposals) =>
    encodeDecisions(proposals.map((): Decision => ({ answer: 'refused', reason: 'wrong-next' })));

  async send(_method: string, path: string, message: unknown): Promise<unknown> {
    expect(path).toBe('/v1/proposals');
    const { proposals } = decodeProposalBatch(JSON.parse(JSON.stringify(message)));
    this.batches.push(proposals.length);
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    return this.answer(proposals);
  }

  release(): void {
    this.isHolding = false;
    for (const go of this.held.splice(0)) go();
  }
}

describe('Proposer', () => {
  it('sends what is proposed in one turn together, and gives each its own decision', async () => {
    const master = new Master();
    master.answer = (proposals) =>
      encodeDecisions(
        proposals.map(({ partition }): Decision =>
          partition === 1
            ? { answer: 'conflict', configuration: undefined }
            : { answer: 'refused', reason: 'wrong-next' },
        ),
      );
    const proposer = new Proposer(master, self);
    const decisions = await Promise.all([0, 1, 2].map((partition) => proposer.propose(proposal(partition))));
    expect(decisions.map(({ answer }) => answer)).toEqual(['refused', 'conflict', 'refused']);
    expect(master.batches).toEqual([3]);
  });

  it('splits at the bound of a batch, and keeps few requests open', async () => {
    const master = new Master();
    master.isHolding = true;
    const proposer = new Proposer(master, self);
    const count = 5 * PROPOSALS_PER_BATCH_MAX + 1;
    const decisions = Array.from({ length: count }, (_unused, i) => proposer.propose(proposal(i)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(master.batches).toEqual(Array.from({ length: 4 }, () => PROPOSALS_PER_BATCH_MAX));
    master.release();
    expect(await Promise.all(decisions)).toHaveLength(count);
    expect(master.batches.slice(4)).toEqual([PROPOSALS_PER_BATCH_MAX, 1]);
  });

  it.each<[string, () => unknown]>([
    ['is away', () => Promise.reject(new Error('connect ECONNREFUSED'))],
    ['takes none', () => Promise.reject(new Error('it answered 503'))],
    ['answers something else', () => ({ hello: 1 })],
    ['decides too few', () => encodeDecisions([])],
  ])('rejects when the master %s, and goes on', async (_what, answer) => {
    const master = new Master();
    const works = master.answer;
    master.answer = answer;
    const proposer = new Proposer(master, self);
    await expect(proposer.propose(proposal(0))).rejects.toMatchObject({ code: 'retry-later' });
    master.answer = works;
    expect((await proposer.propose(proposal(0))).answer).toBe('refused');
  });

  it('knows whether proposals are taken only from the master, and asks once for all who ask at a time', async () => {
    const master = new Master();
    const proposer = new Proposer(master, self);
    expect(await Promise.all([proposer.canPropose(), proposer.canPropose()])).toEqual([true, true]);
    expect(master.batches).toEqual([0]);
    master.answer = () => Promise.reject(new Error('it answered 503'));
    expect(await proposer.canPropose()).toBe(false);
    expect(master.batches).toEqual([0, 0]);
    proposer.close();
    expect(await proposer.canPropose()).toBe(false);
    expect(master.batches).toEqual([0, 0]);
  });

  it('rejects what waits when it is closed', async () => {
    const proposer = new Proposer(new Master(), self);
    const waiting = proposer.propose(proposal(0));
    proposer.close();
    await expect(waiting).rejects.toMatchObject({ code: 'retry-later' });
    await expect(proposer.propose(proposal(0))).rejects.toMatchObject({ code: 'retry-later' });
  });
});
