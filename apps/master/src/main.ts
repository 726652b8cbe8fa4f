/** The master's program, loaded with a small young generation: see libs/process/src/young-generation.ts. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
await import('./master-program.js');
