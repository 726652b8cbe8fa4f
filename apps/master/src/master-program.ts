import { runProgram } from '@diststore/process';

import { masterOptions } from './master.options.js';
import { startMaster } from './start-master.js';

await runProgram(masterOptions, startMaster);
