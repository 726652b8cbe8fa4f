/**
 * What a replica keeps on disk besides its log and data: two small rows.
 *
 * *Installed* says in which configuration the replica takes part, and as what. It is written before anything of that
 * configuration leaves the machine, which is why a restarted process cannot break what it said before.
 * *Applied* says how far the data is, and is written in the same batch as the data it speaks of.
 */
import { isIncarnation } from '@diststore/cluster';
import type { Configuration, Incarnation } from '@diststore/cluster';

import { ByteReader, ByteWriter, Malformed } from './byte-codec.js';
import { CHAIN_ZERO, sameChain } from './chain.js';
import type { Chain } from './chain.js';
import { compareEntryVer, VER_ZERO } from './entry.js';
import type { Counts, Entry, EntryVer, Seq } from './entry.js';
import { readConfiguration, writeConfiguration } from './configuration-codec.js';

export interface InstalledState {
  readonly incarnation: Incarnation;
  /** The configuration in which this replica is installed; null: in none yet. */
  readonly configuration: Configuration | null;
  /** Acted as primary of it, so it may have sent what it no longer has. */
  readonly tenure: boolean;
  /** That tenure had no promise to an earlier primary outstanding any more. */
  readonly waited: boolean;
  /** Somebody else may have heard of this configuration from here. Never goes back within one configuration. */
  readonly shared: boolean;
  /** `loading`: the data is a half-copied snapshot and must not be used. */
  readonly state: 'ok' | 'loading';
  /** The newest snapshot session taken part in; an older one's message is late. */
  readonly snapshotId: number;
}

export interface AppliedState {
  /** The last entry that the data reflects. */
  readonly applied: Seq;
  /** The entry before the first one kept in the log. */
  readonly base: Seq;
  readonly baseVer: EntryVer;
  /** The chain at `applied`. */
  readonly chain: Chain;
  readonly lastTimestampMs: number;
  /** Records of this version or below are deleted, though perhaps still stored. */
  readonly clearedThrough: Seq;
  readonly counts: Counts;
}

export const APPLIED_NOTHING: AppliedState = {
  applied: 0,
  base: 0,
  baseVer: VER_ZERO,
  chain: CHAIN_ZERO,
  lastTimestampMs: 0,
  clearedThrough: 0,
  counts: { keys: 0, bytes: 0 },
};

export function newInstalled(incarnation: Incarnation, snapshotId = 0): InstalledState {
  return {
    incarnation,
    configuration: null,
    tenure: false,
    waited: false,
    shared: false,
    state: 'ok',
    snapshotId,
  };
}

/**
 * The state of a replica after these entries were applied.
 * REQUIRES: they follow `before.applied` without a gap.
 */
export function appliedAfter(before: AppliedState, entries: readonly Entry[]): AppliedState {
  const last = entries.at(-1);
  if (last === undefined) return before;
  let { clearedThrough } = before;
  for (const { ops } of entries)
    for (const op of ops) if (op.type === 'clear' && op.through > clearedThrough) clearedThrough = op.through;
  return {
    applied: last.seq,
    base: before.base,
    baseVer: before.baseVer,
    chain: last.chain,
    lastTimestampMs: last.timestampMs,
    clearedThrough,
    counts: last.counts,
  };
}

/**
 * What is wrong with a log as it was found at a start, or undefined: sequence numbers dense from `base + 1`, chains
 * continuous, versions never falling, nothing missing above `applied`. A database may lose a damaged part of its own
 * log in silence, so a start believes nothing.
 *
 * A replica whose log fails is wiped and joins again as a new incarnation; unless it is the only copy, which stays
 * down for a person to look at.
 */
export function problemOfLog(applied: AppliedState, entries: readonly Entry[]): string | undefined {
  let seq = applied.base;
  let ver = applied.baseVer;
  let chain: Chain | undefined = applied.base === applied.applied ? applied.chain : undefined;
  for (const entry of entries) {
    if (entry.seq !== seq + 1) return `entry ${seq + 1} is missing`;
    if (compareEntryVer(entry.ver, ver) < 0)
      return `entry ${entry.seq} is of an older epoch than the one before`;
    if (chain !== undefined && !sameChain(entry.previous, chain))
      return `entry ${entry.seq} does not follow the one before`;
    if (entry.seq === applied.applied && !sameChain(entry.chain, applied.chain))
      return `entry ${entry.seq} is not the one that was applied`;
    ({ seq, ver, chain } = entry);
  }
  return seq < applied.applied
    ? `the log ends at ${seq}, before what is applied (${applied.applied})`
    : undefined;
}

const FORMAT = 1;

/** Row of kind 01. */
export function encodeInstalled(state: InstalledState): Uint8Array {
  const out = new ByteWriter(256);
  out.u8(FORMAT).hex(state.incarnation);
  out.u8(
    (state.tenure ? 1 : 0) |
      (state.waited ? 2 : 0) |
      (state.shared ? 4 : 0) |
      (state.state === 'loading' ? 8 : 0) |
      (state.configuration === null ? 0 : 16),
  );
  out.u64(state.snapshotId);
  if (state.configuration !== null) writeConfiguration(out, state.configuration);
  return out.finish();
}

/** Undefined if the bytes are no such row. */
export function decodeInstalled(bytes: Uint8Array): InstalledState | undefined {
  try {
    const input = new ByteReader(bytes);
    if (input.u8() !== FORMAT) return undefined;
    const incarnation = input.hex(8);
    if (!isIncarnation(incarnation)) return undefined;
    const flags = input.u8();
    const snapshotId = input.u64();
    const configuration = (flags & 16) === 0 ? null : readConfiguration(input);
    input.end();
    return {
      incarnation,
      configuration,
      tenure: (flags & 1) !== 0,
      waited: (flags & 2) !== 0,
      shared: (flags & 4) !== 0,
      state: (flags & 8) === 0 ? 'ok' : 'loading',
      snapshotId,
    };
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
