/**
 * What a replica is told and what it wants done: the whole contract between the state machine and its host.
 *
 * The host keeps four rules.
 * 1. One event at a time per replica, effects performed in array order. Nothing is awaited in between.
 * 2. `persist` effects of all replicas of a worker go through one first-in-first-out queue into synced batches. A
 *    batch holds whole effects, from the front of the queue. When it is durable, `persisted` is told with the number
 *    and the version of the last effect it held of that replica. A batch that fails ends the process.
 * 3. `send` is best effort: late, repeated, reordered and lost is all the same.
 * 4. After a turn of writes, `flush`. (Every other event flushes by itself.)
 * 5. When the host finds the clocks of its machine apart, every replica gets an event at a moment that says so
 *    (`clockSane` false) before any of them answers anything else. Asking `mayAnswer` with such a moment refuses, and
 *    changes nothing.
 * 6. Proposals go to the master only once this process is registered: a disk that was rolled back is found there, and
 *    nothing must be decided in its name before.
 * 7. A replica that is to be erased gets its new name first: `installed` with the new incarnation and state `loading`,
 *    then `erase`, then `installed` with state `ok`. Erasing takes several batches; a crash between them, with the old
 *    name still on disk, would leave a replica that is empty and answers for what it held.
 */
import type {
  Configuration,
  Decision,
  Generation,
  Member,
  ReplicaProposal,
  Target,
  Ver,
  WorkerIndex,
} from '@diststore/cluster';

import type { BeaconItem } from './beacon.js';
import type { AppliedState, InstalledState } from './durable-state.js';
import type { Chain } from './chain.js';
import type { Counts, Entry, Op, Request, Seq } from './entry.js';
import type { Message, SnapshotRow } from './message.js';

/** When an event happens: told beside it, so that a host makes no second object of each event. */
export interface Moment {
  /** Monotonic, of this machine, since any origin that lasts as long as the process. */
  readonly nowMs: number;
  /** False: the machine's clocks disagree by more than `clockJumpMs` since they were last compared. */
  readonly clockSane: boolean;
}

/** What a client is known by between its request and the reply to it; the host chooses, the replica only repeats it. */
export type Client = number;

export interface StoredRecord {
  readonly version: Seq;
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly payload: Uint8Array;
  /** The length of the payload, where that costs less than the payload. */
  readonly payloadBytes?: number;
}

/** By `keyName`; null: no row. Rows that are expired or cleared are passed as found. */
export interface ReadRecords {
  get(name: string): StoredRecord | null | undefined;
  /** What `keyName` says of this key, for a host that had to find it out. */
  nameOf?(key: Uint8Array): string | undefined;
}

/** What the host found on disk for a write, before it handed the write over. */
export interface Reads {
  /** `Replica.applied` when the reading began. */
  readonly appliedSeq: Seq;
  readonly records: ReadRecords;
  /** The row of this request id in the duplicate table. */
  readonly finished?: FinishedRequest | undefined;
}

export interface FinishedRequest {
  readonly seq: Seq;
  readonly fingerprint: Chain;
  readonly result: Uint8Array;
}

/** The newest prepared state of a partition, as a command sees it. */
export interface WriteView {
  /** The sequence number that a write decided now gets: the version of its keys. */
  readonly seq: Seq;
  /** The partition's clock, milliseconds since the Unix epoch; it never goes back, not even over a failover. */
  readonly clockMs: number;
  readonly counts: Counts;
  /**
   * The newest record of a key, undefined if it is deleted, cleared or was never written. Expired ones are returned.
   * A key that was not read from disk counts as absent for now, and the command will be asked again.
   */
  get(key: Uint8Array): StoredRecord | undefined;
}

/** What a command decides, synchronously and from the view alone. It may be asked more than once. */
export type Decided =
  | {
      readonly type: 'write';
      readonly ops: readonly Op[];
      readonly counts: Counts;
      readonly result: Uint8Array;
    }
  /** Nothing to write: a failed condition, or a delete of nothing. It is an answer to a read, and waits like one. */
  | { readonly type: 'answer'; readonly result: Uint8Array };

export type ReplicaEvent =
  | { readonly type: 'start' }
  | { readonly type: 'tick'; readonly wallMs: number; readonly masterReachable: boolean }
  | {
      readonly type: 'write';
      readonly client: Client;
      readonly wallMs: number;
      readonly request: Request | undefined;
      readonly reads: Reads;
      readonly command: (view: WriteView) => Decided;
    }
  | { readonly type: 'flush' }
  | { readonly type: 'message'; readonly from: Member; readonly message: Message }
  | {
      readonly type: 'beacon';
      readonly from: Pick<Member, 'worker' | 'store'>;
      readonly leaseMs: number;
      readonly item: BeaconItem;
    }
  | {
      readonly type: 'beaconAccepted';
      readonly from: Member;
      readonly ver: Ver;
      readonly sentAtMs: number;
      readonly boot: number;
    }
  | { readonly type: 'persisted'; readonly number: number; readonly ver: Ver | null }
  | { readonly type: 'configuration'; readonly configuration: Configuration }
  | { readonly type: 'target'; readonly target: Target }
  | { readonly type: 'proposalAnswer'; readonly proposalId: string; readonly decision: Decision }
  /** The master did not answer in time, or does not take proposals now. */
  | { readonly type: 'proposalFailed'; readonly proposalId: string }
  /** Connecting to this worker was refused: nobody listens there. */
  | { readonly type: 'refused'; readonly worker: WorkerIndex }
  /** From now on configurations of older generations are refused. The host made `gen` durable before. */
  | { readonly type: 'fence'; readonly gen: Generation }
  | { readonly type: 'handover'; readonly to: WorkerIndex | undefined }
  /** The master has answered `askMaster`: it takes proposals. */
  | { readonly type: 'masterAnswered'; readonly token: number }
  /** This worker is about to stop for a while: pass the primary role on, or leave the in-sync set. */
  | { readonly type: 'shutdown' }
  /** It goes on after all: takes writes, and the primary role, again. */
  | { readonly type: 'stay' }
  | { readonly type: 'confirm'; readonly token: number }
  | { readonly type: 'logRead'; readonly worker: WorkerIndex; readonly entries: readonly Entry[] }
  | { readonly type: 'snapshotOpened'; readonly snapshotId: number; readonly state: AppliedState }
  | {
      readonly type: 'snapshotRead';
      readonly snapshotId: number;
      readonly index: number;
      readonly rows: readonly SnapshotRow[];
      /** This chunk is the last. */
      readonly done: boolean;
    }
  | { readonly type: 'snapshotFailed'; readonly snapshotId: number };

/** One part of a `persist`, in order. */
export type DurableWrite =
  /** Row of kind 01. */
  | { readonly type: 'installed'; readonly state: InstalledState }
  /** Rows of kind 03. */
  | { readonly type: 'append'; readonly entries: readonly Entry[] }
  /** Deletes the rows of kind 03 above `after`, up to `through`. */
  | { readonly type: 'truncate'; readonly after: Seq; readonly through: Seq }
  /** Rows of kinds 04, 05, 06 and 07 as the entries say, and then row 02. */
  | { readonly type: 'apply'; readonly entries: readonly Entry[]; readonly state: AppliedState }
  /** Deletes the rows of kind 03 above `after`, up to `through`; and row 02, whose base moved. */
  | { readonly type: 'trim'; readonly after: Seq; readonly through: Seq; readonly state: AppliedState }
  /** Deletes every row of the partition but row 01. May take several batches. */
  | { readonly type: 'erase' }
  /** Rows of a snapshot, as the other host read them. */
  | { readonly type: 'rows'; readonly rows: readonly SnapshotRow[] }
  /** Row 02 alone. */
  | { readonly type: 'state'; readonly state: AppliedState };

export type Reply =
  | { readonly type: 'ok'; readonly seq: Seq; readonly result: Uint8Array; readonly repeated: boolean }
  | { readonly type: 'answer'; readonly result: Uint8Array }
  /** What the host read is older than what is applied by now: read these keys again, at once, and come back. */
  | { readonly type: 'needRead' }
  /** Nothing was and will be done. */
  | { readonly type: 'not-primary'; readonly hint: Member | undefined }
  | { readonly type: 'retry-later' }
  | { readonly type: 'too-few-replicas'; readonly insync: number; readonly minInSync: number }
  | { readonly type: 'request-id-reused' }
  /** It may or may not have been done, or will be. Ask again with the same request id. */
  | { readonly type: 'unknown'; readonly reason: 'deposed' | 'under-replicated' };

export type Effect =
  | {
      readonly type: 'persist';
      readonly number: number;
      readonly ver: Ver | null;
      /** False: it may wait up to `applyDelayMs` for company. */
      readonly urgent: boolean;
      readonly writes: readonly DurableWrite[];
    }
  | { readonly type: 'send'; readonly to: WorkerIndex; readonly message: Message }
  | { readonly type: 'reply'; readonly client: Client; readonly reply: Reply }
  | { readonly type: 'propose'; readonly proposal: ReplicaProposal }
  /** Ask the master whether it takes proposals now, and answer with `masterAnswered` if it says so, else not at all. */
  | { readonly type: 'askMaster'; readonly token: number }
  /** The answer to a `beacon` event: whether the item is accepted, and what is known that is newer. */
  | { readonly type: 'beaconAnswer'; readonly accepted: boolean; readonly newer: Configuration | undefined }
  | { readonly type: 'confirmed'; readonly token: number; readonly ok: boolean }
  /** Read these entries from the log, as many as fit a PREPARE, and answer with `logRead`. */
  | { readonly type: 'readLog'; readonly worker: WorkerIndex; readonly from: Seq; readonly through: Seq }
  /** Take a snapshot of the store, read row 02 from it, and answer with `snapshotOpened`. */
  | { readonly type: 'snapshotOpen'; readonly snapshotId: number; readonly to: WorkerIndex }
  /** Read the next chunk (rows of kinds 04 to 07) and answer with `snapshotRead`. */
  | { readonly type: 'snapshotRead'; readonly snapshotId: number; readonly index: number }
  | { readonly type: 'snapshotClose'; readonly snapshotId: number }
  /** For logs and metrics. */
  | { readonly type: 'role'; readonly role: Role; readonly ver: Ver | null }
  /** The times of a peer cannot be used with ours; its beacons are refused. */
  | { readonly type: 'mismatch'; readonly worker: WorkerIndex; readonly leaseMs: number }
  /** This replica is not to be trusted: take it out, wipe it, let it join as a new incarnation. */
  | { readonly type: 'fatal'; readonly reason: string };

/**
 * none      in no configuration, or a primary of before a restart that waits for its new epoch
 * learner   receives the log, counts for nothing
 * follower  in sync
 * primary   leads; whether it may serve is another question
 * stopping  leads, but has stopped for good in this version: a hand-over is proposed
 */
export type Role = 'none' | 'learner' | 'follower' | 'primary' | 'stopping';
