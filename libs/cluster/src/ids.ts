/**
 * What things are called. Every identifier is branded, so that a partition number is never taken for a worker
 * index, nor a store for an incarnation; the brand exists for the compiler only and costs nothing at run time.
 *
 * Each type comes with a predicate, for what arrives from outside, and a constructor, for code that knows.
 */
import { invariant } from '@diststore/base';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Number of a partition: 0 to 16383. Under placement `local` it equals the index of the worker that owns it. */
export type PartitionId = Branded<number, 'PartitionId'>;
/** Index of a worker: 1 to 999, so that ports 5000 + index, 7000 + index and 8000 + index never collide. */
export type WorkerIndex = Branded<number, 'WorkerIndex'>;
/** Counts the changes of one partition's configuration, from 1. */
export type Epoch = Branded<number, 'Epoch'>;
/** Counts how often the configuration data was lost and rebuilt, from 1. */
export type Generation = Branded<number, 'Generation'>;
/** Born with a worker's database: 128 random bits as 32 hex digits. An empty disk is a new store. */
export type StoreId = Branded<string, 'StoreId'>;
/** Born with one partition's replica on one store: 64 random bits as 16 hex digits. A wiped replica is a new one. */
export type Incarnation = Branded<string, 'Incarnation'>;
/** Chosen by the proposer, never used twice: 1 to 64 letters, digits, `-` and `_`; 128 random bits will do. */
export type ProposalId = Branded<string, 'ProposalId'>;
/** Born with the cluster: 128 random bits as 32 hex digits. */
export type ClusterId = Branded<string, 'ClusterId'>;

/** The number of Redis hash slots, and so the most partitions there can be. */
export const PARTITION_COUNT_MAX = 16_384;
export const WORKER_INDEX_MAX = 999;

export function isPartitionId(value: unknown): value is PartitionId {
  return isWholeNumber(value, { min: 0, max: PARTITION_COUNT_MAX - 1 });
}

export function isWorkerIndex(value: unknown): value is WorkerIndex {
  return isWholeNumber(value, { min: 1, max: WORKER_INDEX_MAX });
}

export function isEpoch(value: unknown): value is Epoch {
  return isWholeNumber(value, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

export function isGeneration(value: unknown): value is Generation {
  return isWholeNumber(value, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

export function isStoreId(value: unknown): value is StoreId {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

export function isIncarnation(value: unknown): value is Incarnation {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
}

export function isProposalId(value: unknown): value is ProposalId {
  return typeof value === 'string' && /^[0-9A-Za-z_-]{1,64}$/.test(value);
}

export function isClusterId(value: unknown): value is ClusterId {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

export function partitionId(value: number): PartitionId {
  invariant(isPartitionId(value), 'a partition number is from 0 to 16383', { value });
  return value;
}

export function workerIndex(value: number): WorkerIndex {
  invariant(isWorkerIndex(value), 'a worker index is from 1 to 999', { value });
  return value;
}

export function epoch(value: number): Epoch {
  invariant(isEpoch(value), 'an epoch is a whole number from 1', { value });
  return value;
}

export function generation(value: number): Generation {
  invariant(isGeneration(value), 'a generation is a whole number from 1', { value });
  return value;
}

export function storeId(value: string): StoreId {
  invariant(isStoreId(value), 'a store id is 32 hex digits', { value });
  return value;
}

export function incarnation(value: string): Incarnation {
  invariant(isIncarnation(value), 'an incarnation is 16 hex digits', { value });
  return value;
}

export function proposalId(value: string): ProposalId {
  invariant(isProposalId(value), 'a proposal id is 1 to 64 letters, digits, - and _', { value });
  return value;
}

export function clusterId(value: string): ClusterId {
  invariant(isClusterId(value), 'a cluster id is 32 hex digits', { value });
  return value;
}

/** Whether `value` is a whole number between `min` and `max`, both included. */
export function isWholeNumber(value: unknown, range: { min: number; max: number }): value is number {
  return Number.isSafeInteger(value) && (value as number) >= range.min && (value as number) <= range.max;
}
