/**
 * Decides proposals, and stores what it accepts. The one place where configurations of existing partitions change.
 *
 *     propose ─► waiting ─► round: decide each against the map ─► commits of up to 128, side by side ─► map ─► answers
 *                   └── what comes meanwhile, and a second proposal for one partition, goes into the next round
 *
 * The idea: `decide` (libs/cluster) is a pure function of the stored record, so deciding costs nothing and only storing
 * has to wait. One round at a time is stored, however many it holds, in commits that share fsyncs; while it is under
 * way the next one gathers, as in a group commit. Within a round every partition occurs once, so the map, which shows
 * what is durable and nothing else, is all that has to be looked at.
 *
 * Invariants: between deciding and handing the commit to the store nothing is awaited; an answer leaves after its
 * record is durable; a commit that fails because another master was quicker decides nothing, its proposals are decided
 * again on what that master has left.
 *
 * A crash between commit and answer is nothing special: the proposer asks again with the same proposal id, and
 * `decide` recognises it.
 */
import { StoreError } from '@diststore/base';
import type { Configuration, Decision, DecisionContext, PartitionId, Proposal } from '@diststore/cluster';
import { localOwnerOf, minInSyncGoal } from '@diststore/cluster';
import { COMMIT_OPERATIONS_MAX } from '@diststore/metadata';

import type { ClusterState } from '../cluster/cluster-state.js';
import { portions } from '../cluster/portions.js';

/** Proposals that wait, of all workers: every partition there can be, four times. Past it they are refused. */
const WAITING_MAX = 65_536;

/** Proposals of one round: so many that a restart of a large cluster takes few rounds, each within milliseconds. */
const ROUND_MAX = 1024;

/** How often a proposal is decided again because another master changed the record in between. */
const ATTEMPTS_MAX = 8;

interface Waiting {
  readonly proposal: Proposal;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

interface Accepted {
  readonly waiting: Waiting;
  readonly configuration: Configuration;
}

export type Decide = (
  stored: Configuration | undefined,
  proposal: Proposal,
  context: DecisionContext,
) => Decision;

export class ProposalQueue {
  private waiting: Waiting[] = [];
  private running: Promise<void> | undefined;

  /**
   * @param decide that of libs/cluster.
   * @param refusal why nothing is decided at present, if so; asked again for every round.
   */
  constructor(
    private readonly state: ClusterState,
    private readonly decide: Decide,
    private readonly refusal: () => string | undefined,
  ) {}

  /**
   * Decides each proposal by itself, and resolves with the decisions in their order when what was accepted is durable.
   * @throws StoreError retry-later: none are taken at present. Some may have been decided before that was known.
   * @throws StoreError too-many-requests: too many wait; none of these was looked at.
   * @throws StoreError outcome-unknown, store-failed: some may have been stored.
   */
  async propose(proposals: readonly Proposal[]): Promise<Decision[]> {
    this.requireOpen();
    if (this.waiting.length + proposals.length > WAITING_MAX)
      throw new StoreError('too-many-requests', `${this.waiting.length} proposals wait already.`);
    const decisions = proposals.map(
      (proposal) =>
        new Promise<Decision>((resolve, reject) => {
          this.waiting.push({ proposal, resolve, reject, attempts: 0 });
        }),
    );
    this.running ??= this.run().finally(() => (this.running = undefined));
    // All, because a second rejection must not be left without a listener.
    const settled = await Promise.allSettled(decisions);
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  /** What `minInSync` of every partition should be, given how many workers may hold replicas. */
  minInSyncGoal(): number {
    const { settings } = this.state.map;
    if (settings.placement === 'local') return 1;
    const active = this.state.map.workers().filter(({ state }) => state === 'active').length;
    return minInSyncGoal({
      replicationFactor: settings.replicationFactor,
      registeredWorkers: Math.max(1, active),
      minInSyncMax: settings.minInSyncMax ?? undefined,
    });
  }

  private async run(): Promise<void> {
    // One turn later, so that all that arrives in this one is in the first round.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const accepted = this.decideRound();
      const commits = portions(accepted, COMMIT_OPERATIONS_MAX);
      await Promise.all(commits.map((commit) => this.store(commit)));
    }
  }

  /** Takes a round from the queue, answers what needs no storing, and returns the rest. */
  private decideRound(): Accepted[] {
    const refusal = this.refusal();
    const taken = this.waiting;
    this.waiting = [];
    const accepted: Accepted[] = [];
    const partitions = new Set<PartitionId>();
    const context = this.context();
    for (const waiting of taken) {
      const { proposal, resolve, reject } = waiting;
      const { partition } = proposal;
      if (refusal !== undefined) {
        reject(notNow(refusal));
      } else if (accepted.length === ROUND_MAX || partitions.has(partition)) {
        this.waiting.push(waiting);
      } else {
        const decision = this.decide(this.state.map.configurationOf(partition), proposal, context(partition));
        if (decision.answer === 'accepted') {
          partitions.add(partition);
          accepted.push({ waiting, configuration: decision.configuration });
        } else {
          resolve(decision);
        }
      }
    }
    return accepted;
  }

  /** What proposals are decided with; what is the same for all partitions is computed once. */
  private context(): (partition: PartitionId) => DecisionContext {
    const { map, generation: gen } = this.state;
    const workers = map.workers().filter(({ state }) => state !== 'removed');
    const registered = new Map(workers.map(({ index, store }) => [index, store]));
    const minInSyncGoal = this.minInSyncGoal();
    return (partition) => {
      const isOwned = map.settings.placement === 'local' && map.configurationOf(partition) !== undefined;
      const owner = isOwned ? localOwnerOf(partition) : undefined;
      return { gen, registered, target: map.targetOf(partition), owner, minInSyncGoal };
    };
  }

  /** Never rejects: each proposal learns what became of it. */
  private async store(accepted: readonly Accepted[]): Promise<void> {
    try {
      const isStored = await this.state.configure(
        accepted.map(({ waiting, configuration }) => ({
          partition: waiting.proposal.partition,
          configuration,
        })),
      );
      for (const { waiting, configuration } of accepted) {
        if (isStored) waiting.resolve({ answer: 'accepted', configuration });
        else this.again(waiting);
      }
    } catch (error) {
      for (const { waiting } of accepted) waiting.reject(error);
    }
  }

  private again(waiting: Waiting): void {
    waiting.attempts += 1;
    if (waiting.attempts < ATTEMPTS_MAX) this.waiting.push(waiting);
    else waiting.reject(notNow('another master changes the same partitions all the time'));
  }

  private requireOpen(): void {
    const refusal = this.refusal();
    if (refusal !== undefined) throw notNow(refusal);
  }
}

function notNow(why: string): StoreError {
  return new StoreError('retry-later', `The master takes no proposals now: ${why}.`);
}
