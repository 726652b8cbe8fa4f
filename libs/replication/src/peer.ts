/** What a primary knows of one other worker, in one version. */
import type { Member, WorkerIndex } from '@diststore/cluster';

import type { AppliedState } from './durable-state.js';
import type { Seq } from './entry.js';
import type { SnapshotRow } from './message.js';

export interface Peer {
  readonly worker: WorkerIndex;
  /** Whose acknowledgements count: the required member, or the learner that answered last. */
  member: Member | undefined;
  /** It takes part in this version, durably. */
  installed: boolean;
  /** Durable there, in this version. */
  acked: Seq;
  sentTo: Seq;
  leaseUntilMs: number;
  /** Last time it answered anything in this version, or the start of the version. */
  lastHeardMs: number;
  installSentMs: number;
  /** Since when something sent is unacknowledged without any progress. */
  waitingSinceMs: number | undefined;
  /** Where the stream was set back to last, and when, so that one gap causes one repetition. */
  rewound: { to: Seq; atMs: number };
  /** Ticks in a row that spoke for removing it. */
  suspectTicks: number;
  refused: boolean;
  /** It asks to leave, at every tick; once it has stopped asking it stays. */
  leavingUntilMs: number;
  reading: boolean;
  snapshot: SnapshotSession | undefined;
}

export interface SnapshotSession {
  readonly id: number;
  state: AppliedState | undefined;
  /** Read and not acknowledged, by index. */
  readonly chunks: Map<number, readonly SnapshotRow[]>;
  /** The next chunk to ask the host for. */
  nextRead: number;
  readsOut: number;
  /** Durable there; -1: not even begun. */
  acked: number;
  /** Number of chunks, once known. */
  total: number | undefined;
  progressMs: number;
}

export function newPeer(worker: WorkerIndex, member: Member | undefined, nowMs: number): Peer {
  return {
    worker,
    member,
    installed: false,
    acked: 0,
    sentTo: 0,
    leaseUntilMs: 0,
    lastHeardMs: nowMs,
    installSentMs: -Infinity,
    waitingSinceMs: undefined,
    rewound: { to: -1, atMs: -Infinity },
    suspectTicks: 0,
    refused: false,
    leavingUntilMs: -Infinity,
    reading: false,
    snapshot: undefined,
  };
}
