/** What a client is told when a replica does not do what it asked: the table of amendment 20, in one place. */
import { isStoreError, StoreError } from '@diststore/base';
import type { Member, PartitionId, WorkerIndex } from '@diststore/cluster';
import type { ReadVerdict, Reply } from '@diststore/replication';

/** Every reply but those that carry a result. */
export type Refusal = Exclude<Reply, { type: 'ok' | 'answer' | 'needRead' }>;

export function errorOfRefusal(partition: PartitionId, reply: Refusal): StoreError {
  switch (reply.type) {
    case 'not-primary':
      return notPrimary(partition, reply.hint);
    case 'retry-later':
      return retryLater(partition);
    case 'too-few-replicas': {
      const { insync, minInSync } = reply;
      const detail = `Partition ${partition} has ${insync} replicas in sync; a write needs ${minInSync}.`;
      return new StoreError('too-few-replicas', detail, { facts: { partition, insync, minInSync } });
    }
    case 'request-id-reused':
      return new StoreError('request-id-reused', 'A request with this id asked for something else.', {
        facts: { partition },
      });
    case 'unknown':
      return outcomeUnknown(
        partition,
        reply.reason === 'deposed'
          ? 'its primary was replaced before it was committed'
          : 'too few replicas have it',
      );
  }
}

export function errorOfVerdict(partition: PartitionId, verdict: Exclude<ReadVerdict, 'ok'>): StoreError {
  return verdict === 'not-primary' ? notPrimary(partition, undefined) : retryLater(partition);
}

/** Nothing was done, but it may be done elsewhere: see `isNotPrimary`. Where nobody looks it says to come again. */
export function notPrimary(partition: PartitionId, hint: Member | undefined): StoreError {
  const detail = `This worker does not lead partition ${partition} any more, or not yet.`;
  const primary = hint === undefined ? {} : { primary: hint.worker };
  return new StoreError('retry-later', detail, { facts: { partition, notPrimary: true, ...primary } });
}

/** Whether the partition is led elsewhere, so that the request may be sent there; and where, if that is known. */
export function isNotPrimary(error: unknown): error is StoreError & { facts: { primary?: WorkerIndex } } {
  return isStoreError(error, 'retry-later') && error.facts['notPrimary'] === true;
}

export function retryLater(partition: PartitionId): StoreError {
  return new StoreError('retry-later', `Partition ${partition} is changing hands at this moment.`, {
    facts: { partition },
  });
}

export function outcomeUnknown(partition: PartitionId, why: string): StoreError {
  return new StoreError('outcome-unknown', `The write may or may not be done: ${why}.`, {
    facts: { partition },
  });
}
