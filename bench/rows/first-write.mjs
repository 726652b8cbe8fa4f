/**
 * From `npm start` on a built checkout to the first acknowledged write: npm itself, the check that nothing is to be
 * built, a master, three workers, and one fsynced value. Nothing is pinned, as for a user.
 *
 * What would make it unfair: data that is there already, so each start has a new folder; and a cold file cache, which
 * the first start after a boot does pay for and this does not show.
 */
import { performance } from 'node:perf_hooks';

import { root, setUp } from '../../scripts/setup.mjs';
import { freePorts } from '../stage.mjs';

const WORKERS = 3;

export const firstWrite = {
  name: 'first-write',
  suite: 'cluster',
  title: 'From npm start to the first acknowledged write',
  unit: 's',
  rounds: ({ starts }) => starts,
  contestants: () => [{ name: 'npm start, built', maximum: 3 }],
  measure: async (_contestant, stage) => {
    const port = await freePorts(1 + WORKERS);
    // A source may have been edited since the last start.
    await setUp();
    const startMs = performance.now();
    const command = ['npm', 'start', '--', `${port}`, `--data-dir=${stage.dataFolder('cluster')}`];
    const program = stage.start(command, { cwd: root });
    const url = `http://127.0.0.1:${port + 1}/put/first/write`;
    await program.untilAnswered(url, ({ status }) => status === 201, { method: 'PUT' });
    const value = (performance.now() - startMs) / 1000;
    await program.stop();
    return { value };
  },
};
