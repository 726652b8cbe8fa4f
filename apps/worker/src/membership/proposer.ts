/**
 * Takes the proposals of all replicas of this worker to the master, many in one request.
 *
 *     propose ─► waiting ─► one turn later: a request with what has gathered, while fewer than IN_FLIGHT_MAX are open
 *                   └──────────── an answer came: the next request, with what has gathered meanwhile
 *
 * A proposal that gets no decision is not known to have failed: it may be decided later. So nothing is sent again here;
 * the replica keeps the proposal open and asks again, unchanged.
 */
import { StoreError } from '@diststore/base';
import type { Decision, Proposal, Speaker, WorkerIndex } from '@diststore/cluster';
import { decodeDecisions, encodeProposalBatch, PROPOSALS_PER_BATCH_MAX } from '@diststore/cluster';

import type { MasterClient } from './master-client.js';

/** No decision within this: the replicas see to it themselves. The master needs an fsync or two. */
const DECISION_TIMEOUT_MS = 2000;

/** More would only wait at the master. */
const IN_FLIGHT_MAX = 4;

/** One for each partition there can be, and as many again. Past it a proposal is refused at once. */
const WAITING_MAX = 32_768;

interface Waiting {
  readonly proposal: Proposal;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: StoreError) => void;
}

export class Proposer {
  private waiting: Waiting[] = [];
  private inFlight = 0;
  private asking: Promise<boolean> | undefined;
  private isScheduled = false;
  private closed = false;

  constructor(
    private readonly client: MasterClient,
    private readonly self: { readonly worker: WorkerIndex; readonly speaker: Speaker },
  ) {}

  /**
   * Resolves with the master's decision.
   * @throws StoreError retry-later: the master did not decide, or not in time, or its answer was lost; also after
   *   `close`. Ask again with the same proposal.
   * @throws StoreError too-many-requests: too many wait; this one was not sent.
   */
  async propose(proposal: Proposal): Promise<Decision> {
    if (this.closed) throw undecided('this worker is stopping');
    if (this.waiting.length >= WAITING_MAX)
      throw new StoreError('too-many-requests', `${this.waiting.length} proposals wait for the master.`);
    const decision = new Promise<Decision>((resolve, reject) => {
      this.waiting.push({ proposal, resolve, reject });
    });
    if (!this.isScheduled) {
      this.isScheduled = true;
      // All replicas that lose a member at once are heard in the same turn.
      setImmediate(() => {
        this.isScheduled = false;
        this.sendMore();
      });
    }
    return decision;
  }

  /**
   * Asks the master now whether it takes proposals of this worker, with a batch of none; calls at the same time share
   * one question. Resolves with false also when there is no answer in time, and after `close`.
   */
  canPropose(): Promise<boolean> {
    if (this.closed) return Promise.resolve(false);
    this.asking ??= this.send([])
      .then(
        () => true,
        () => false,
      )
      .finally(() => (this.asking = undefined));
    return this.asking;
  }

  /** Rejects what waits, and everything from then on. What was sent is decided, or not, without us. */
  close(): void {
    this.closed = true;
    for (const { reject } of this.waiting) reject(undecided('this worker is stopping'));
    this.waiting = [];
  }

  private sendMore(): void {
    while (this.waiting.length > 0 && this.inFlight < IN_FLIGHT_MAX) {
      const batch = this.waiting.slice(0, PROPOSALS_PER_BATCH_MAX);
      this.waiting = this.waiting.slice(batch.length);
      this.inFlight += 1;
      void this.sendBatch(batch).then(() => {
        this.inFlight -= 1;
        this.sendMore();
      });
    }
  }

  /** Never rejects: each proposal learns what became of it. */
  private async sendBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const decisions = await this.send(batch.map(({ proposal }) => proposal));
      batch.forEach(({ resolve }, i) => resolve(decisions[i] as Decision));
    } catch (error) {
      const reason = undecided(error instanceof Error ? error.message : String(error));
      for (const { reject } of batch) reject(reason);
    }
  }

  private async send(proposals: readonly Proposal[]): Promise<Decision[]> {
    const message = encodeProposalBatch({ ...this.self, proposals });
    const answer = await this.client.send('POST', '/v1/proposals', message, DECISION_TIMEOUT_MS);
    return decodeDecisions(answer, proposals.length);
  }
}

function undecided(why: string): StoreError {
  return new StoreError('retry-later', `The master has not decided: ${why}.`);
}
