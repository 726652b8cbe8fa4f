export { assembleBeacon } from './beacon.js';
export type { AcceptedItem, Beacon, BeaconAnswer, BeaconItem, BeaconSource } from './beacon.js';
export { CHAIN_ZERO, chainOf, chainText, sameChain } from './chain.js';
export type { Chain } from './chain.js';
export {
  APPLIED_NOTHING,
  appliedAfter,
  decodeInstalled,
  encodeInstalled,
  newInstalled,
  problemOfLog,
} from './durable-state.js';
export type { AppliedState, InstalledState } from './durable-state.js';
export {
  decodeEntry,
  decodeLogRow,
  encodeLogRow,
  forgetNames,
  keyName,
  makeEntry,
  makeUnlogged,
  namesOf,
} from './entry.js';
export type { Counts, Entry, EntryFields, EntryVer, Op, Request, RequestId, Seq } from './entry.js';
export {
  MESSAGE_BYTES_MAX,
  PREPARE_BYTES_MAX,
  PREPARE_ENTRIES_MAX,
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_CHUNK_ROWS_MAX,
} from './limits.js';
export {
  decodeBeacon,
  decodeBeaconAnswer,
  decodeMessage,
  encodeBeacon,
  encodeBeaconAnswer,
  encodeMessage,
} from './message-codec.js';
export type { Envelope } from './message-codec.js';
export type { LogShape, Message, Segment, SnapshotRow } from './message.js';
export type { Peer } from './peer.js';
export type { PendingRecord } from './pending-writes.js';
export type {
  Client,
  Decided,
  DurableWrite,
  Effect,
  FinishedRequest,
  Moment,
  ReadRecords,
  Reads,
  ReplicaEvent,
  Reply,
  Role,
  StoredRecord,
  WriteView,
} from './replica-event.js';
export { matchPoint } from './replica-log.js';
export type { ReplicaLog } from './replica-log.js';
export { Replica } from './replica.js';
export type { ReadToken, ReadVerdict, ReplicaStatus } from './replica.js';
export { ReplicaState } from './replica/replica-state.js';
export type { OpenProposal, ReplicaOptions } from './replica/replica-state.js';
export { Rules } from './replica/rules.js';
export { TIMINGS, validateTiming } from './timing.js';
export type { Timing } from './timing.js';
