export { anyText } from './any-text.js';
export { faultsFor, FAULTS, History, LinkProxy, runChaos, Workload } from './chaos/index.js';
export type { ChaosOptions, ChaosReport, Fault, Gap, Recorded, Violation } from './chaos/index.js';
export {
  clusterMap,
  hashedSettings,
  memberNumber,
  partitionOn,
  TEST_CLUSTER,
  workerNumber,
} from './cluster-map.js';
export { flipByte } from './damage.js';
export { eventually, within } from './eventually.js';
export { FaultyStorage } from './faulty-storage.js';
export { freePorts, isFree } from './free-ports.js';
export { Answer, HttpClient } from './http-client.js';
export { ManualClock } from './manual-clock.js';
export { describeMetadataStore } from './metadata-contract.js';
export type { MetadataAdapter, MetadataFixture } from './metadata-contract.js';
export { useSandbox } from './process-harness.js';
export { RawConnection } from './raw-connection.js';
export { RunningProcess } from './running-process.js';
export type { Command, Exit } from './running-process.js';
export { ROOT, Sandbox } from './sandbox.js';
export type { App, AppOptions, WorkerOptions } from './sandbox.js';
export { describeStorage } from './storage-contract.js';
export type { StorageAdapter } from './storage-contract.js';
export { TemporaryDirectory } from './temporary-directory.js';
export {
  bugOptions,
  ObservedReplica,
  problemOfHistory,
  PROFILES,
  replayCommand,
  runSeed,
  Scenario,
  SEEDED_BUGS,
  SeededRandom,
  SimulatedDisk,
  SimulatedMaster,
  Simulation,
  traceSeed,
} from './simulation/index.js';
export type {
  Operation,
  PartitionRows,
  Profile,
  SeededBug,
  SeedOptions,
  SimulationResult,
} from './simulation/index.js';
