export { DistStoreClient } from './client.js';
export type { ClientOptions } from './client.js';
export { DistStoreError, isDistStoreError } from './error.js';
export type {
  Batched,
  Bytes,
  CallOptions,
  Comparison,
  Conditions,
  Counted,
  Listed,
  ListOptions,
  PutOptions,
  Receipt,
  Step,
  Transacted,
  Transaction,
  Value,
  WriteOptions,
} from './types.js';
