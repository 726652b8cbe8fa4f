/**
 * The version of one partition's configuration: what PacificA calls its version number, with a generation before it.
 *
 * `epoch` grows by one with every change. `gen` grows only when the configuration data was lost and rebuilt from
 * what the workers report, so that nothing decided before the loss can pass for newer than what was rebuilt.
 * Compared lexicographically. Every message between replicas carries the whole pair, never the epoch alone.
 */
import { epoch } from './ids.js';
import type { Epoch, Generation } from './ids.js';

export interface Ver {
  readonly gen: Generation;
  readonly epoch: Epoch;
}

/** Below 0 if `a` is older than `b`, 0 if they are equal, above 0 if `a` is newer. */
export function compareVer(a: Ver, b: Ver): number {
  return a.gen - b.gen || a.epoch - b.epoch;
}

export function isNewer(a: Ver, b: Ver): boolean {
  return compareVer(a, b) > 0;
}

export function sameVer(a: Ver, b: Ver): boolean {
  return compareVer(a, b) === 0;
}

/** The version that the next change within this generation gets: no other may lie between. */
export function nextVer(ver: Ver): Ver {
  return { gen: ver.gen, epoch: epoch(ver.epoch + 1) };
}
