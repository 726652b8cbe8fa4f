import { runProgram } from '@diststore/process';

import { startWorker } from './start-worker.js';
import { workerOptions } from './worker.options.js';

await runProgram(workerOptions, startWorker);
