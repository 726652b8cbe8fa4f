export { databasePath } from './data-directory.js';
export { FreeSpace } from './free-space.js';
export type { FreeSpaceOptions } from './free-space.js';
export {
  after,
  contentKindOf,
  contentRanges,
  dataKey,
  dataRange,
  expiredRange,
  expiryKey,
  INSTALLED_RANGE,
  installedKey,
  keyOfData,
  logKey,
  logRange,
  MAP_KEY,
  metadataKey,
  metadataName,
  metadataRange,
  parseExpiryKey,
  parseRequestAgeKey,
  partitionOfRow,
  replicaRanges,
  requestAgeKey,
  requestAgeRange,
  requestKey,
  seqOfLog,
  stateKey,
} from './key-layout.js';
export type { RequestAge } from './key-layout.js';
export { LevelStorage } from './level-storage.js';
export type { LevelStorageOptions } from './level-storage.js';
export {
  CONTENT_TYPE_BYTES_MAX,
  KEY_BYTES_MAX,
  PAGE_BYTES_MAX,
  PAGE_ENTRIES_MAX,
  QUEUE_BYTES_MAX,
  QUEUE_WRITES_MAX,
  ROUND_BYTES_MAX,
  ROUND_WRITES_MAX,
} from './limits.js';
export { MemoryStorage } from './memory-storage.js';
export { decodeState, encodeState } from './partition-state.js';
export type { LogPosition, PartitionState } from './partition-state.js';
export { decodeRecord, encodeRecord } from './record.js';
export type { StoredRecord } from './record.js';
export { decodeFinished, encodeFinished } from './request-row.js';
export type { FinishedRequestRow, Hash64 } from './request-row.js';
export { openJson, sealJson } from './sealed-json.js';
export { openRow, sealRow } from './sealed-row.js';
export { openStorage, StorageModule } from './storage.module.js';
export type { StorageModuleOptions } from './storage.module.js';
export { STORAGE } from './storage.tokens.js';
export type {
  Entry,
  KeyRange,
  Page,
  PageOptions,
  Reader,
  Snapshot,
  Storage,
  StorageObserver,
  Trailer,
  WriteOp,
} from './storage.js';
export { EARLIER_STARTS_MAX, openStore, writeHeader } from './store-header.js';
export type { StoreHeader, StoreStart } from './store-header.js';
