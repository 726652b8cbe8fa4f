/**
 * What one worker asks of another, and the answers, as values. An answer is definite. Operating errors are thrown
 * where the operation runs, and thrown again, the same, where it was asked for.
 */
import type { PartitionId } from '@diststore/cluster';
import type { Operation, Result } from '@diststore/data';
import type { Counts, Request } from '@diststore/replication';
import type { StoredRecord } from '@diststore/storage';

import type { PageOptions, RecordPage } from '../data/partition.js';

/** A question to another worker. It never passes it on, so that no question can go round in circles. */
export type Question =
  | {
      readonly type: 'perform';
      readonly partition: PartitionId;
      readonly operation: Operation;
      readonly request: Request | undefined;
    }
  | ({
      readonly type: 'page';
      readonly partition: PartitionId;
      readonly from: Buffer;
      readonly to: Buffer | undefined;
    } & PageOptions)
  | { readonly type: 'counts'; readonly partition: PartitionId }
  /** A `get` that is confirmed by the other replicas. */
  | { readonly type: 'confirm'; readonly partition: PartitionId; readonly key: Buffer };

export type Answer =
  /** Of a `get`, confirmed or not. */
  | { readonly type: 'found'; readonly record: StoredRecord }
  | { readonly type: 'absent' }
  | { readonly type: 'done'; readonly result: Result; readonly repeated: boolean }
  | { readonly type: 'page'; readonly page: RecordPage }
  | { readonly type: 'counts'; readonly counts: Counts }
  /** Look again: as of this version of the map, or some other one, the asked worker is not the partition's primary. */
  | { readonly type: 'not-primary'; readonly mapVersion: number }
  /** The operation was not done, or for `store-failed` and `outcome-unknown` may have been. */
  | {
      readonly type: 'error';
      readonly code: string;
      readonly detail: string;
      readonly facts: Readonly<Record<string, unknown>>;
    };

/** Whether an answer that does not come leaves it open what has happened. */
export function isWrite(question: Question): boolean {
  return question.type === 'perform' && question.operation.type !== 'get';
}
