export { type ChaosOptions, type ChaosReport, faultsFor, runChaos } from './chaos-run.js';
export { History } from './history.js';
export type { Gap, Recorded, Violation } from './history.js';
export { LinkProxy } from './link-proxy.js';
export { FAULTS } from './nemesis.js';
export type { Fault } from './nemesis.js';
export { Workload } from './workload.js';
