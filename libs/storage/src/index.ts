export { FreeSpace } from './free-space.js';
export type { FreeSpaceOptions } from './free-space.js';
export {
  after,
  dataKey,
  dataRange,
  expiredRange,
  expiryKey,
  INSTALLED_RANGE,
  installedKey,
  keyOfData,
  MAP_KEY,
  metadataKey,
  metadataName,
  metadataRange,
  parseExpiryKey,
  partitionOfRow,
  stateKey,
} from './key-layout.js';
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
export { decodeState, EMPTY_STATE, encodeState } from './partition-state.js';
export type { PartitionState } from './partition-state.js';
export { decodeRecord, encodeRecord } from './record.js';
export type { StoredRecord } from './record.js';
export { openJson, sealJson } from './sealed-json.js';
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
export { openStore, writeHeader } from './store-header.js';
export type { StoreHeader } from './store-header.js';
