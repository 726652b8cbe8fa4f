/** A diststore worker as users run it, with every option at its default. */
import { join } from 'node:path';

import { root } from '../../scripts/setup.mjs';
import { freePorts } from '../stage.mjs';

const PROGRAM = join(root, 'dist/bundle/worker/src/main.js');

/** Starts a worker that holds every key of the workload, with no master: none is on the data path. */
export async function startFilledWorker(stage) {
  const port = await freePorts(1);
  const options = ['--index=1', '--standalone', `--data-dir=${stage.dataFolder('worker')}`];
  const program = stage.startServer([PROGRAM, `${port}`, ...options]);
  await program.untilAnswered(`http://127.0.0.1:${port}/readyz`, ({ ok }) => ok);
  await program.whileAlive(stage.fill(port, 'put'));
  return { name: 'diststore worker', port, pid: program.pid };
}
