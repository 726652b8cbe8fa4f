/**
 * A cluster of a master and two workers, of which the first holds every partition: it was the only one when the cluster
 * was formed, and a worker that joins later holds none. So a request to the second is always forwarded.
 */
import { join } from 'node:path';

import { root } from '../../scripts/setup.mjs';
import { freePorts } from '../stage.mjs';

const MASTER = join(root, 'dist/apps/master/src/main.js');

/** Starts the cluster with every key of the workload. @returns both workers, the one that holds the keys first. */
export async function startFilledPair(stage) {
  const port = await freePorts(3);
  const folder = stage.dataFolder('cluster');
  const master = stage.startServer([
    MASTER,
    `${port}`,
    '--stop-workers',
    '--bootstrap-expect=1',
    `--data-dir=${folder}`,
  ]);
  const workers = [];
  for (const index of [1, 2]) {
    const url = `http://127.0.0.1:${port}/worker/${index}`;
    const { pid } = await master.untilAnswered(url, (answer) => answer.ok && answer.json());
    workers.push({ port: port + index, pid });
  }
  await master.whileAlive(stage.fill(port + 2, 'put'));
  return workers;
}
