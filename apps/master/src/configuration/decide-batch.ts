/**
 * The decisions about what one worker proposes. A worker speaks for its own replicas and for nobody else: what it says
 * in the name of another worker, another store, the master or an operator is refused without being looked at.
 */
import type { Decision, Proposal, ProposalBatch } from '@diststore/cluster';

/** One decision each, in the order of the batch. @throws as `propose` does */
export async function decideBatch(
  { worker, speaker, proposals }: ProposalBatch,
  propose: (proposals: readonly Proposal[]) => Promise<Decision[]>,
): Promise<Decision[]> {
  const isOwn = ({ by }: Proposal): boolean =>
    typeof by !== 'string' && by.worker === worker && by.store === speaker.store;
  const decided = await propose(proposals.filter(isOwn));
  let next = 0;
  return proposals.map((proposal): Decision => {
    const decision = isOwn(proposal) ? decided[next++] : undefined;
    return decision ?? { answer: 'refused', reason: 'wrong-proposer' };
  });
}
