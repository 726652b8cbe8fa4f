/**
 * Preloaded into a process of diststore (`--import`): notes how far each of LevelDB's logs was synced. After every
 * synced batch, and before whoever wrote it hears of it, one line is appended to the file `SYNC_WITNESS`: the sizes of
 * the logs in `SYNC_DATABASE`, as JSON. What a log has beyond the last line was never reported as durable to anybody.
 * A batch that is not synced is noted as `"unsynced"`.
 */
import { appendFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const { SYNC_WITNESS: witness, SYNC_DATABASE: database } = process.env;

const require = createRequire(import.meta.url);
const binding = require('classic-level/binding.js');

for (const name of ['batch_write', 'batch_do']) {
  const write = binding[name];
  binding[name] = async (...args) => {
    const { sync } = args.at(-1);
    await write(...args);
    appendFileSync(witness, `${JSON.stringify(sync === true ? sizes() : 'unsynced')}\n`);
  };
}

function sizes() {
  const logs = readdirSync(database).filter((file) => file.endsWith('.log'));
  return Object.fromEntries(
    logs.flatMap((file) => {
      // LevelDB removes one that it needs no more at any time.
      const stats = statSync(path.join(database, file), { throwIfNoEntry: false });
      return stats === undefined ? [] : [[file, stats.size]];
    }),
  );
}
