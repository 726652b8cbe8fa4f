/**
 * Resident memory of a master and of a worker that holds 1,000 keys and has nothing to do, as `npm start` runs them.
 *
 * What would make it unfair: a reading right after the start, before the heap has come to rest, or one after load,
 * whose memory Node keeps for the next.
 */
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { root } from '../../scripts/setup.mjs';
import { residentBytes } from '../processes.mjs';
import { freePorts } from '../stage.mjs';

const MASTER = join(root, 'dist/bundle/master/src/main.js');
const KEYS = 1000;
const MiB = 1024 * 1024;

export const idleMemory = {
  name: 'idle-memory',
  suite: 'cluster',
  title: 'Resident memory when idle, 1,000 keys',
  unit: 'MiB',
  rounds: () => 1,
  contestants: async (stage) => {
    const port = await freePorts(2);
    const options = ['--workers=1', '--stop-workers', `--data-dir=${stage.dataFolder('cluster')}`];
    const master = stage.start([process.execPath, MASTER, `${port}`, ...options]);
    const worker = await master.untilAnswered(`http://127.0.0.1:${port + 1}/worker`, (answer) =>
      answer.json(),
    );
    await stage.fill(port + 1, 'put', KEYS);
    await sleep(stage.settings.settleMs);
    return [
      { name: 'worker', pid: worker.pid, maximum: 120 },
      { name: 'master', pid: master.pid },
    ];
  },
  measure: ({ pid }) => ({ value: residentBytes(pid) / MiB }),
};
