/** Clusters of a master and some workers, as users run them, all on the core of the servers. */
import { join } from 'node:path';

import { root } from '../../scripts/setup.mjs';
import { freePorts } from '../stage.mjs';

const MASTER = join(root, 'dist/bundle/master/src/main.js');

/**
 * A cluster of two workers with every key of the workload, of which the first holds every partition: it was the only one
 * when the cluster was formed. @returns both, the one that holds the keys first.
 */
export function startFilledPair(stage) {
  return startFilled(stage, { workers: 2, expected: 1, fillAt: 2 });
}

/** A cluster of three workers that hold so many replicas of every key of the workload. @returns the workers. */
export function startFilledThree(stage, replicas) {
  return startFilled(stage, {
    workers: 3,
    expected: 3,
    fillAt: 1,
    options: [`--replication-factor=${replicas}`],
  });
}

async function startFilled(stage, { workers: count, expected, fillAt, options = [] }) {
  const port = await freePorts(1 + count);
  const folder = stage.dataFolder('cluster');
  const master = stage.startServer([
    MASTER,
    `${port}`,
    '--stop-workers',
    `--bootstrap-expect=${expected}`,
    `--data-dir=${folder}`,
    ...options,
  ]);
  const workers = [];
  for (let index = 1; index <= count; index++) {
    const url = `http://127.0.0.1:${port}/worker/${index}`;
    const { pid } = await master.untilAnswered(url, (answer) => answer.ok && answer.json());
    workers.push({ port: port + index, pid });
  }
  for (const worker of workers)
    await master.untilAnswered(`http://127.0.0.1:${worker.port}/readyz`, ({ ok }) => ok);
  await master.whileAlive(stage.fill(port + fillAt, 'put'));
  return workers;
}
