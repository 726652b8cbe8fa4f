/** What an operator's wish comes to: one replica alone, named by its worker. */
import { StoreError } from '@diststore/base';
import type {
  ClusterMap,
  ForceProposal,
  Incarnation,
  Member,
  PartitionId,
  ProposalId,
  WorkerIndex,
} from '@diststore/cluster';
import { memberOf } from '@diststore/cluster';

export interface ForceWish {
  readonly partition: PartitionId;
  readonly worker: WorkerIndex;
  /** Of a replica that is neither in sync nor eligible. */
  readonly incarnation: Incarnation | undefined;
  readonly acceptDataLoss: boolean;
  readonly id: ProposalId;
}

/**
 * @throws StoreError worker-not-found; bad-parameter: the partition was never created, or the replica is not known and
 *   its incarnation not given.
 */
export function forceProposal(map: ClusterMap, wish: ForceWish): ForceProposal {
  const { partition, worker, acceptDataLoss, id } = wish;
  const configuration = map.configurationOf(partition);
  if (configuration === undefined)
    throw new StoreError('bad-parameter', `Partition ${partition} has not been created.`);
  const member = chosen(map, wish, [...configuration.insync, ...configuration.eligible]);
  if (member === undefined) {
    const detail = `Worker ${worker} has no replica of partition ${partition} that is in sync or eligible. To take what it has nevertheless, add its incarnation.`;
    throw new StoreError('bad-parameter', detail, { facts: { parameter: 'incarnation' } });
  }
  const { gen, epoch } = configuration;
  return {
    kind: 'force',
    partition,
    expect: { gen, epoch },
    proposalId: id,
    by: 'operator',
    next: { primary: member, insync: [member] },
    acceptDataLoss,
  };
}

function chosen(map: ClusterMap, wish: ForceWish, known: readonly Member[]): Member | undefined {
  const record = map.worker(wish.worker);
  if (record === undefined) throw new StoreError('worker-not-found', `Worker ${wish.worker} is not known.`);
  const { store } = record;
  const { worker, incarnation } = wish;
  if (incarnation !== undefined) return { worker, store, incarnation };
  return memberOf(
    known.filter((member) => member.store === store),
    worker,
  );
}
