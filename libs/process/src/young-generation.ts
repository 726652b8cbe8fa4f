/**
 * Keeps the young generation of V8's heap small until a process serves.
 *
 * V8 doubles it whenever enough survives in it, up to twice 16 MiB, and gives nothing back while the process idles.
 * Under load that is right: at half the size a request costs up to 1.8 times as much collecting. But what is loaded at
 * the start survives as well, so a process that had served nobody held all of it.
 *
 * So the main file of a program tells V8 not to let it grow, before it loads anything else, and the process lets go when
 * it serves. It has to be code: V8 corrects a factor below 2 that stands on its command line.
 */
import { setFlagsFromString } from 'node:v8';

/** From now on it grows with the load, by V8's default. */
export function releaseYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
