/**
 * The contestants of the group-commit rows, in one process: our storage, and LevelDB given whole batches in its two
 * forms. Told over IPC to open them, and which of them to keep busy for how long.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

import { Level } from 'level';

import { LevelStorage } from '../../dist/libs/storage/src/index.js';
import { seededDraw, storedRows } from '../workload.mjs';

const MiB = 1024 * 1024;
/** The same for all; the worker's defaults. */
const CACHE_BYTES = 32 * MiB;
const WRITE_BUFFER_BYTES = 16 * MiB;
const FILL_BATCH = 1000;

const COMMANDS = { open, measure };

let rows;
/** By name: writes keys from `next`, `count` of them in flight, while `goesOn`; resolves with the number written. */
const stores = {};

process.on('message', ({ command, options }) => {
  COMMANDS[command](options).then(
    (result) => process.send({ result }),
    (error) => process.send({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());

async function open({ folder, keys }) {
  rows = storedRows(keys);
  const storage = await openStorage(join(folder, 'storage'));
  const forArrays = await openLevel(join(folder, 'array'));
  const forChains = await openLevel(join(folder, 'chained'));
  stores.storage = (task) => writeConcurrently(storage, task);
  stores.array = (task) => writeInTurn(task, (next, count) => writeArray(forArrays, next, count));
  stores.chained = (task) => writeInTurn(task, (next, count) => writeChained(forChains, next, count));
  for (const store of Object.values(stores)) await fill(store);
}

function openStorage(directory) {
  return LevelStorage.open({
    directory,
    owner: 'the benchmark',
    cacheBytes: CACHE_BYTES,
    writeBufferBytes: WRITE_BUFFER_BYTES,
  });
}

async function openLevel(folder) {
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' };
  const db = new Level(folder, { ...encodings, cacheSize: CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES });
  await db.open();
  return db;
}

/** Every key once. */
async function fill(store) {
  let filled = 0;
  const goesOn = () => filled < rows.keys.length;
  await store({ count: FILL_BATCH, goesOn, next: () => rows.keys[filled++ % rows.keys.length] });
}

/** @returns the sample: random keys written in a second, after a warm-up. */
async function measure({ store, writers, warmUpMs, measureMs }) {
  const draw = seededDraw(rows.keys.length);
  const forMs = (durationMs) => {
    const endMs = performance.now() + durationMs;
    return stores[store]({
      count: writers,
      goesOn: () => performance.now() < endMs,
      next: () => rows.keys[draw()],
    });
  };
  await forMs(warmUpMs);
  const startMs = performance.now();
  const written = await forMs(measureMs);
  return { value: (written / (performance.now() - startMs)) * 1000 };
}

async function writeConcurrently(storage, { count, goesOn, next }) {
  let written = 0;
  const writer = async () => {
    while (goesOn()) {
      await storage.write([{ type: 'put', key: next(), value: rows.value }]);
      written += 1;
    }
  };
  await Promise.all(Array.from({ length: count }, writer));
  return written;
}

async function writeInTurn({ count, goesOn, next }, writeBatch) {
  let written = 0;
  while (goesOn()) {
    await writeBatch(next, count);
    written += count;
  }
  return written;
}

function writeArray(db, next, count) {
  const ops = Array.from({ length: count }, () => ({ type: 'put', key: next(), value: rows.value }));
  return db.batch(ops, { sync: true });
}

function writeChained(db, next, count) {
  const batch = db.batch();
  for (let i = 0; i < count; i++) batch.put(next(), rows.value);
  return batch.write({ sync: true });
}
