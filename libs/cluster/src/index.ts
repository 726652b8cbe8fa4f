export {
  CHANGE_KINDS,
  hasEnoughInSync,
  problemOfConfiguration,
  secondaries,
  startsWithoutWaiting,
} from './configuration.js';
export type { ChangeKind, Configuration, Proposer, Roles } from './configuration.js';
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
export { hasMember, memberOf, MEMBERS_MAX, sameMember, sameMembers, without } from './member.js';
export type { Member } from './member.js';
export { Partitions } from './partitions.js';
export type { SlotRange } from './partitions.js';
export { admissionOf, handoverOf, promotionOf, removalOf } from './proposal.js';
export type {
  CreateProposal,
  ForceProposal,
  PolicyProposal,
  Proposal,
  RecoverProposal,
  ReplicaProposal,
} from './proposal.js';
export { admit, FORMER_STORES_MAX } from './registration.js';
export type {
  Admission,
  RegistrationRequest,
  StoreRegistration,
  Welcome,
  WorkerRegistration,
} from './registration.js';
export { crc16, SLOT_COUNT, slotOf } from './slots.js';
export { problemOfTarget, REPLICATION_FACTOR_MAX, setTarget } from './target.js';
export type { Target, TargetOutcome } from './target.js';
export { decide, minInSyncGoal } from './transition.js';
export type { Decision, DecisionContext, RefusalReason } from './transition.js';
export { compareVer, isNewer, nextVer, sameVer } from './ver.js';
export type { Ver } from './ver.js';
export { parseHeartbeat, parseRegistration, parseWelcomed, parseWorkerIndex } from './control.js';
export type { Heartbeat, Registration, Speaker, SpeakerState, Welcomed } from './control.js';
export { httpUrlOf } from './worker.js';
export type { Address } from './worker.js';
