export { Condition } from './condition.js';
export { Lifecycle } from './lifecycle.js';
export type { Log } from './lifecycle.js';
export { processOptions } from './process-options.js';
export type { ProcessConfig } from './process-options.js';
export { runProgram } from './program.js';
export type { Program } from './program.js';
export { createApplication, listen, urlOf } from './serve.js';
export { systemClock } from './system-clock.js';
