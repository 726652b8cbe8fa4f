/** The machine that a run was made on, as far as its numbers depend on it. */
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const GiB = 1024 ** 3;
const FSYNCS = 200;

/** @param folder where the data will be: how long its fsyncs take decides every write. */
export function machine(folder) {
  // Some systems do not say what their processors are.
  const model = cpus()[0]?.model ?? arch();
  return {
    cpu: `${availableParallelism()} × ${model.trim()}`,
    memoryGiB: Math.round(totalmem() / GiB),
    system: `${type()} ${release()}`,
    node: process.version,
    fsyncMs: fsyncMs(folder),
    loadAverage: loadavg()[0],
  };
}

/** The median time to append 4 KiB and have it on disk, the way LevelDB does. */
function fsyncMs(folder) {
  const file = join(folder, 'fsync-probe');
  const descriptor = openSync(file, 'w');
  const block = new Uint8Array(4096);
  const timesMs = Array.from({ length: FSYNCS }, () => {
    const startMs = performance.now();
    writeSync(descriptor, block);
    fdatasyncSync(descriptor);
    return performance.now() - startMs;
  });
  closeSync(descriptor);
  rmSync(file);
  return timesMs.sort((a, b) => a - b)[FSYNCS / 2];
}

/**
 * Two processor cores that this process may use, one for the servers and one for the load.
 * @returns undefined where there is only one, or no `taskset` to pin processes with.
 */
export function twoCores() {
  try {
    const list = execFileSync('taskset', ['--cpu-list', '--pid', `${process.pid}`], { encoding: 'utf8' });
    const [server, load] = list
      .split(': ')[1]
      .split(',')
      .flatMap((part) => {
        const [first, last = first] = part.split('-').map(Number);
        return Array.from({ length: last - first + 1 }, (_unused, i) => first + i);
      });
    return load === undefined ? undefined : { server, load };
  } catch {
    return undefined;
  }
}
