/**
 * Keeps the young generation of V8's heap small until a process serves.
 *
 * V8 doubles it whenever enough survives in it, up to twice 16 MiB, and gives nothing back while the process idles.
 * Under load that is right: at half the size a request costs up to 1.8 times as much collecting. But what is loaded at
 * the start survives as well, so a process that had served nobody held all of it.
 *
 * Whoever starts a process gives Node the arguments below; the process lets go when it serves. Without them nothing
 * changes. It has to be code: V8 corrects a factor below 2 that stands on its command line.
 */
import { setFlagsFromString } from 'node:v8';

const HELD = '--semi-space-growth-factor=1';
/** V8's default. */
const RELEASED = '--semi-space-growth-factor=2';

/** For Node's command line: before anything is loaded, the young generation is told not to grow. */
export const HOLD_YOUNG_GENERATION: readonly string[] = [
  '--import',
  `data:text/javascript,import v8 from "node:v8";v8.setFlagsFromString("${HELD}")`,
];

/** From now on it grows with the load. */
export function releaseYoungGeneration(): void {
  setFlagsFromString(RELEASED);
}
