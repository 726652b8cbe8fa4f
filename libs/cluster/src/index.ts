export { ClusterMap, localOwnerOf, localPartitionOf } from './cluster-map.js';
export type { Applied } from './cluster-map.js';
export {
  CHANGE_KINDS,
  hasEnoughInSync,
  problemOfConfiguration,
  sameConfiguration,
  secondaries,
  startsWithoutWaiting,
} from './configuration.js';
export type { ChangeKind, Configuration, Proposer, Roles } from './configuration.js';
export {
  parseHeartbeat,
  parseHeartbeatAnswer,
  parseRegistration,
  parseWelcomed,
  parseWorkerIndex,
  TIMING_NAMES,
} from './control.js';
export type {
  Heartbeat,
  HeartbeatAnswer,
  Registration,
  Speaker,
  SpeakerState,
  TimingName,
  Welcomed,
} from './control.js';
export {
  clusterId,
  epoch,
  generation,
  incarnation,
  isClusterId,
  isEpoch,
  isGeneration,
  isIncarnation,
  isPartitionId,
  isProposalId,
  isStoreId,
  isWorkerIndex,
  PARTITION_COUNT_MAX,
  partitionId,
  proposalId,
  storeId,
  WORKER_INDEX_MAX,
  workerIndex,
} from './ids.js';
export type {
  ClusterId,
  Epoch,
  Generation,
  Incarnation,
  PartitionId,
  ProposalId,
  StoreId,
  WorkerIndex,
} from './ids.js';
export type { Json } from './json-fields.js';
export {
  decodeDelta,
  decodeMap,
  decodeSettings,
  decodeWorker,
  encodeDelta,
  encodeMap,
  encodeSettings,
  encodeWorker,
} from './map-codec.js';
export type { MapDelta, PartitionRecord } from './map-delta.js';
export { hasMember, memberOf, MEMBERS_MAX, sameMember, sameMembers, without } from './member.js';
export type { Member } from './member.js';
export { isAtTarget, motionsOf, planMoves } from './motion.js';
export type { Motion, MoveOptions, MovePlan } from './motion.js';
export { Partitions } from './partitions.js';
export type { SlotRange } from './partitions.js';
export { place } from './placement.js';
export type { Placed, PlacementInput, PlacementPlan } from './placement.js';
export {
  decodeDecisions,
  decodeProposalBatch,
  encodeDecisions,
  encodeProposalBatch,
  PROPOSALS_PER_BATCH_MAX,
} from './proposal-batch.js';
export type { ProposalBatch } from './proposal-batch.js';
export { decodeDecision, decodeProposal, encodeDecision, encodeProposal } from './proposal-codec.js';
export { admissionOf, handoverOf, promotionOf, removalOf } from './proposal.js';
export type {
  CreateProposal,
  ForceProposal,
  PolicyProposal,
  Proposal,
  RecoverProposal,
  ReplicaProposal,
} from './proposal.js';
export {
  decodeConfiguration,
  decodeMember,
  decodeRegistration,
  decodeTarget,
  encodeConfiguration,
  encodeMember,
  encodeRegistration,
  encodeTarget,
} from './record-codec.js';
export { admit, FORMER_STORES_MAX } from './registration.js';
export type {
  Admission,
  RegistrationRequest,
  StoreStart,
  StoreRegistration,
  Welcome,
  WorkerRegistration,
} from './registration.js';
export { decodeReport, encodeReport } from './report.js';
export type { MasterStart, PartitionConfiguration, PartitionVer, Report } from './report.js';
export { problemOfSettings, problemOfSettingsChange } from './settings.js';
export type { HashedSettings, LocalSettings, Placement, Settings } from './settings.js';
export { crc16, SLOT_COUNT, slotOf } from './slots.js';
export { problemOfTarget, REPLICATION_FACTOR_MAX, setTarget } from './target.js';
export type { Target, TargetOutcome } from './target.js';
export { planTargets } from './target-plan.js';
export type { TargetChange } from './target-plan.js';
export type { PlacementWorker } from './topology.js';
export { decide, minInSyncGoal, REFUSAL_REASONS } from './transition.js';
export type { Decision, DecisionContext, RefusalReason } from './transition.js';
export { compareVer, isNewer, nextVer, sameVer } from './ver.js';
export type { Ver } from './ver.js';
export {
  httpUrlOf,
  PRESENCES,
  problemOfWorker,
  problemOfWorkerStep,
  redisUrlOf,
  WORKER_STATES,
} from './worker.js';
export type { Address, Presence, Worker, WorkerState } from './worker.js';
export { describeCluster, describePartition, describePartitions, describeWorkers } from './description.js';
export type { ClusterDescription, PartitionDescription, WorkerDescription } from './description.js';
