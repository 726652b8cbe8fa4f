/**
 * Keeps the young generation of V8's heap small until a process has work to do, and everything new in it.
 *
 * V8 doubles it whenever enough survives in it, up to twice 16 MiB, and gives nothing back while the process idles.
 * Under load that is right: at half the size a request costs up to 1.8 times as much collecting. But what is loaded at
 * the start survives as well, and so do a few requests, so a process that hardly anybody asks held all of it.
 *
 * So the main file of a program tells V8 not to let it grow, before it loads anything else, and the process lets go
 * once it has been busy. It has to be code: V8 corrects a factor below 2 that stands on its command line.
 *
 * The main file also tells V8 not to guess which objects will live long, and so to make them among the old ones at once
 * (allocation site pretenuring). It learns that from objects that did, such as those of the first writes, whose records
 * stay cached. All that come later from the same place in the code die young, but then nobody looks before the next
 * full collection, and till then they keep alive whatever they point to (measured: 1.2 KB of each write, and 8 % of the
 * processor time that it takes).
 *
 * And it has the young generation collected by one thread. What survives of it is less than a megabyte, and waking
 * others for their share costs more than they take off: on a processor that is busy the collector waits for them
 * (measured for writes on one core: 24 % more of them beside other load, and without it no more than the noise).
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';

const LOOK_EVERY_MS = 1000;
/** Of the time between two looks. */
const BUSY_SHARE = 0.5;
/** In a row. What follows a start, and a burst of a thousand requests, is over sooner. */
const BUSY_LOOKS = 3;

/**
 * Once it has been busy for some seconds it grows with the load, by V8's default. @returns stops looking.
 * @param busyShare of the time since it was asked last. It and `release` are replaced in tests.
 */
export function releaseYoungGenerationUnderLoad(
  busyShare: () => number = eventLoopShare(),
  release: () => void = () => setFlagsFromString('--semi-space-growth-factor=2'),
): () => void {
  let busyLooks = 0;
  const timer = setInterval(() => {
    busyLooks = busyShare() < BUSY_SHARE ? 0 : busyLooks + 1;
    if (busyLooks < BUSY_LOOKS) return;
    clearInterval(timer);
    release();
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

function eventLoopShare(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const before = last;
    last = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(last, before).utilization;
  };
}
