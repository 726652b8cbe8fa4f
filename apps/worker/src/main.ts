/** The worker's program, loaded with the heap set up as it is to be: see libs/process/src/young-generation.ts. */
import { setFlagsFromString } from 'node:v8';

// While it loads there is nothing to undo. What it loads takes signals over: see libs/process/src/lifecycle.ts.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--no-allocation-site-pretenuring');
setFlagsFromString('--no-parallel-scavenge');
await import('./worker-program.js');
