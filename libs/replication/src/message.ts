/**
 * What the replicas of one partition say to each other. Every message carries the whole version (generation and
 * epoch) it speaks of, and may be late, repeated, reordered or lost; whoever receives it decides by the version alone
 * whether it still means anything.
 *
 *     primary                                         secondary or learner
 *       | INSTALL      take part in this version, here is the shape of my log -->|  truncates, makes it durable
 *       |<-- INSTALLED our logs agree up to here (or: I need a snapshot)         |  promises
 *       | PREPARE      entries, and how far they are committed ----------------->|  appends, makes them durable
 *       |<-- PREPARED  durable through here                                      |
 *       |<-- MISSING   I lack what comes before                                  |
 *       | SNAPSHOT_BEGIN / CHUNK / END ----------------------------------------->|  erases, loads
 *       |<-- SNAPSHOT_ACK                                                        |
 *       | CONFIRM ------------------------------------------------------------->|
 *       |<-- CONFIRMED                                                           |
 *       |<-- LEAVE     take me out of the in-sync set                            |
 *       |<-- CONFIGURATION, either way: I know something newer                   |
 *
 * Beacons are not here: they are shared by all partitions of a pair of workers, see beacon.ts.
 */
import type { Configuration, Ver } from '@diststore/cluster';

import type { Chain } from './chain.js';
import type { AppliedState } from './durable-state.js';
import type { Entry, EntryVer, Seq } from './entry.js';

/** From `firstSeq` on, and until the next segment, entries were written in `ver`. */
export interface Segment {
  readonly ver: EntryVer;
  readonly firstSeq: Seq;
}

/** What another replica needs to know of a log to find where its own agrees with it. */
export interface LogShape {
  readonly base: Seq;
  /** Version of the entry at `base`. */
  readonly baseVer: EntryVer;
  readonly last: Seq;
  /** Of entries `base + 1` to `last`, in order. */
  readonly segments: readonly Segment[];
}

/** A row of a snapshot, in the words of the host's storage. */
export interface SnapshotRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type Message =
  | {
      readonly type: 'install';
      readonly configuration: Configuration;
      readonly log: LogShape;
      readonly committed: Seq;
      readonly leaseMs: number;
      /** The sender's clock; comes back in the answer, from which the lease counts. */
      readonly sentAtMs: number;
      /** Whose clock that is. */
      readonly boot: number;
    }
  | {
      readonly type: 'installed';
      readonly ver: Ver;
      /** Both logs agree up to here, durably. Null: a snapshot is needed. */
      readonly match: Seq | null;
      /** The newest snapshot session taken part in. */
      readonly snapshotId: number;
      readonly sentAtMs: number;
      readonly boot: number;
    }
  | {
      readonly type: 'prepare';
      readonly ver: Ver;
      readonly committed: Seq;
      readonly entries: readonly Entry[];
    }
  | { readonly type: 'prepared'; readonly ver: Ver; readonly durable: Seq }
  | { readonly type: 'missing'; readonly ver: Ver; readonly last: Seq }
  /** Sent by one who heard of a version it is not installed in. */
  | { readonly type: 'uninstalled'; readonly ver: Ver }
  | { readonly type: 'configuration'; readonly configuration: Configuration }
  | { readonly type: 'leave'; readonly ver: Ver }
  | { readonly type: 'confirm'; readonly ver: Ver; readonly round: number }
  | { readonly type: 'confirmed'; readonly ver: Ver; readonly round: number; readonly ok: boolean }
  | {
      readonly type: 'snapshotBegin';
      readonly configuration: Configuration;
      readonly snapshotId: number;
      readonly state: AppliedState;
    }
  | {
      readonly type: 'snapshotChunk';
      readonly ver: Ver;
      readonly snapshotId: number;
      /** From 1. */
      readonly index: number;
      readonly rows: readonly SnapshotRow[];
    }
  | { readonly type: 'snapshotEnd'; readonly ver: Ver; readonly snapshotId: number; readonly chunks: number }
  /** Durable through this chunk; 0: ready for the first; `chunks + 1`: complete. */
  | { readonly type: 'snapshotAck'; readonly ver: Ver; readonly snapshotId: number; readonly index: number };

/** The chain at a commit point: what a beacon carries, so that replicas that differ find out. */
export interface CommitPoint {
  readonly committed: Seq;
  readonly chain: Chain;
}
