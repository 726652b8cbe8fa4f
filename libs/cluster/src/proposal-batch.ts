/**
 * Many proposals of one worker in one request, and the decisions about them, one each and in their order: a conflict
 * in one says nothing about another.
 *
 *   batch      {v, worker, store, boot, nonce, proposals}
 *   decisions  {v, decisions}
 */
import { SPEAKER_FIELDS, speakerOf } from './control.js';
import type { Speaker } from './control.js';
import { isWorkerIndex } from './ids.js';
import type { WorkerIndex } from './ids.js';
import { Fields, FORMAT_VERSION } from './json-fields.js';
import type { Json } from './json-fields.js';
import { decodeDecision, decodeProposal, encodeDecision, encodeProposal } from './proposal-codec.js';
import type { Proposal } from './proposal.js';
import type { Decision } from './transition.js';

/** A worker with more to propose sends several requests. About 2 KiB each at the largest. */
export const PROPOSALS_PER_BATCH_MAX = 1024;

export interface ProposalBatch {
  readonly worker: WorkerIndex;
  readonly speaker: Speaker;
  readonly proposals: readonly Proposal[];
}

export function encodeProposalBatch({ worker, speaker, proposals }: ProposalBatch): Json {
  const { store, boot, nonce } = speaker;
  return { v: FORMAT_VERSION, worker, store, boot, nonce, proposals: proposals.map(encodeProposal) };
}

/** @throws StoreError bad-request */
export function decodeProposalBatch(value: unknown): ProposalBatch {
  const fields = Fields.versioned(value, 'batch', [...SPEAKER_FIELDS, 'worker', 'proposals']);
  return {
    worker: fields.take('worker', isWorkerIndex, 'a worker index'),
    speaker: speakerOf(fields),
    proposals: fields.list('proposals', PROPOSALS_PER_BATCH_MAX, decodeProposal),
  };
}

export function encodeDecisions(decisions: readonly Decision[]): Json {
  return { v: FORMAT_VERSION, decisions: decisions.map(encodeDecision) };
}

/** @param count of the proposals that were sent. @throws StoreError bad-request, also for another number. */
export function decodeDecisions(value: unknown, count: number): Decision[] {
  const fields = Fields.versioned(value, 'answer', ['decisions']);
  const decisions = fields.list('decisions', PROPOSALS_PER_BATCH_MAX, decodeDecision);
  if (decisions.length !== count)
    throw fields.refusal(`it decides ${decisions.length} of ${count} proposals`);
  return decisions;
}
