export { problemOfHistory } from './linearizability.js';
export type { Operation } from './linearizability.js';
export { PROFILES } from './profile.js';
export type { Profile } from './profile.js';
export { replayCommand, runSeed, traceSeed } from './run-seed.js';
export type { SeedOptions } from './run-seed.js';
export { ObservedReplica, Simulation } from './simulation.js';
export type { SimulationResult } from './simulation.js';
export { SimulatedMaster } from './simulated-master.js';
