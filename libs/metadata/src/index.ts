export type { HistoryBounds } from './change-history.js';
export { checkCommit } from './commit-check.js';
export { LevelMetadataStore } from './level-metadata-store.js';
export type { LevelMetadataStoreOptions } from './level-metadata-store.js';
export {
  COMMIT_BYTES_MAX,
  COMMIT_OPERATIONS_MAX,
  LEASE_TTL_MS_MAX,
  LEASE_TTL_MS_MIN,
  NAME_LENGTH_MAX,
  VALUE_BYTES_MAX,
} from './limits.js';
export type {
  Change,
  CommitResult,
  Compare,
  Lease,
  LeaseId,
  Listing,
  MetadataRecord,
  MetadataStore,
  RecordChange,
  WatchNews,
} from './metadata-store.js';
