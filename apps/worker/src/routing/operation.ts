/**
 * The data operations and their outcomes, as values: what one worker asks of another, and what it does for itself.
 * An outcome is definite. Operating errors are thrown where the operation runs, and thrown again, the same, where it
 * was asked for.
 */
import type { PartitionId } from '@diststore/cluster';
import type { StoredRecord } from '@diststore/storage';

import type { PutOptions } from '../data/partition.js';

export type Operation =
  | { readonly type: 'get'; readonly key: Buffer }
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer; readonly options: PutOptions }
  | { readonly type: 'delete'; readonly key: Buffer };

export type Outcome =
  | { readonly type: 'found'; readonly record: StoredRecord }
  | { readonly type: 'absent' }
  | { readonly type: 'stored'; readonly version: number; readonly created: boolean }
  | { readonly type: 'deleted'; readonly version: number };

/** A question to another worker. It never passes it on, so that no question can go round in circles. */
export type Question =
  | { readonly partition: PartitionId; readonly operation: Operation }
  /** Clear every partition that you are primary of. */
  | { readonly clear: true };

export type Answer =
  | Outcome
  | { readonly type: 'cleared'; readonly removed: number }
  /** Look again: as of this version of the map, or some other one, the asked worker is not the partition's primary. */
  | { readonly type: 'not-primary'; readonly mapVersion: number }
  /** The operation was not done, or for `store-failed` may have been. */
  | {
      readonly type: 'error';
      readonly code: string;
      readonly detail: string;
      readonly facts: Readonly<Record<string, unknown>>;
    };
