/**
 * The stream of entries from a primary to each of its peers: what is sent, what is acknowledged, what must be sent
 * again, and what must be read from disk first because it has left memory.
 */
import { invariant } from '@diststore/base';
import type { Member, WorkerIndex } from '@diststore/cluster';

import type { Entry, Seq } from '../entry.js';
import { PREPARE_BYTES_MAX, PREPARE_ENTRIES_MAX, STREAM_ENTRIES_MAX } from '../limits.js';
import type { Message } from '../message.js';
import type { Peer } from '../peer.js';
import type { Peers } from './peers.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';

export class EntryStream {
  constructor(
    private readonly s: ReplicaState,
    private readonly peers: Peers,
  ) {}

  /** Sends what a peer lacks, as much as may be on its way. */
  pump(peer: Peer): void {
    const { s } = this;
    if (!peer.installed || !s.installedDurable || s.seen === null) return;
    while (peer.sentTo < s.log.last && peer.sentTo - peer.acked < STREAM_ENTRIES_MAX) {
      const entries = this.nextEntries(peer.sentTo + 1);
      if (entries.length === 0) {
        this.readFor(peer);
        return;
      }
      peer.waitingSinceMs ??= s.nowMs;
      peer.sentTo += entries.length;
      s.send(peer.worker, { type: 'prepare', ver: verOf(s.seen), committed: s.committed, entries });
    }
  }

  private nextEntries(from: Seq): Entry[] {
    const { log, flushedTo } = this.s;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let seq = from; seq <= flushedTo && entries.length < PREPARE_ENTRIES_MAX; seq += 1) {
      const entry = log.at(seq);
      if (entry === undefined || (bytes > 0 && bytes + entry.size > PREPARE_BYTES_MAX)) break;
      // Nobody is spoken to before what went into the data unlogged is durable, and so below the base of the log.
      if (entry.bytes.length === 0) throw this.s.broken('only what is logged is sent', { seq });
      entries.push(entry);
      bytes += entry.size;
    }
    return entries;
  }

  private readFor(peer: Peer): void {
    const { log, flushedTo } = this.s;
    if (peer.reading || peer.sentTo >= flushedTo) return;
    if (peer.sentTo < log.base) {
      // The log was trimmed under it: it must be asked again, and will need a snapshot.
      peer.installed = false;
      return;
    }
    peer.reading = true;
    const through = Math.min(log.last, peer.sentTo + PREPARE_ENTRIES_MAX);
    this.s.emit({ type: 'readLog', worker: peer.worker, from: peer.sentTo + 1, through });
  }

  onLogRead(worker: WorkerIndex, entries: readonly Entry[]): void {
    const { s } = this;
    const peer = s.peers.get(worker);
    if (peer?.reading !== true || s.seen === null) return;
    peer.reading = false;
    const first = entries[0];
    if (s.role !== 'primary' || !peer.installed || first?.seq !== peer.sentTo + 1) return;
    for (const { seq, ver } of entries) {
      const known = s.log.verAt(seq);
      const isSame = known !== undefined && known.gen === ver.gen && known.epoch === ver.epoch;
      // Read before the log was cut or trimmed: what is there now is asked for again.
      if (!isSame) return;
    }
    peer.sentTo += entries.length;
    peer.waitingSinceMs ??= s.nowMs;
    s.send(worker, { type: 'prepare', ver: verOf(s.seen), committed: s.committed, entries });
  }

  onPrepared(from: Member, { ver, durable }: Extract<Message, { type: 'prepared' }>): void {
    const { s } = this;
    const peer = this.peers.peerOf(from, ver);
    if (peer?.installed !== true) return;
    invariant(durable <= s.log.last, 'nobody has more of our log than we do', { durable, ...s.facts() });
    if (durable <= peer.acked) return;
    peer.acked = durable;
    if (peer.sentTo < durable) peer.sentTo = durable;
    peer.waitingSinceMs = peer.acked < peer.sentTo ? s.nowMs : undefined;
  }

  onMissing(from: Member, { ver, last }: Extract<Message, { type: 'missing' }>): void {
    const { nowMs, timing } = this.s;
    const peer = this.peers.peerOf(from, ver);
    if (peer?.installed !== true || last >= peer.sentTo || last < peer.acked) return;
    // Every message behind the gap reports it: one repetition per gap and round trip is enough.
    if (peer.rewound.to === last && nowMs - peer.rewound.atMs < timing.beaconMs / 2) return;
    peer.rewound = { to: last, atMs: nowMs };
    peer.sentTo = last;
  }

  /** Begins again from what is acknowledged, if nothing has come for a while. */
  onTick(peer: Peer): void {
    const { nowMs, timing } = this.s;
    if (!peer.installed || peer.waitingSinceMs === undefined) return;
    if (peer.acked >= peer.sentTo) peer.waitingSinceMs = undefined;
    else if (
      nowMs - peer.waitingSinceMs >= 2 * timing.beaconMs &&
      nowMs - peer.rewound.atMs >= 2 * timing.beaconMs
    ) {
      peer.rewound = { to: peer.acked, atMs: nowMs };
      peer.sentTo = peer.acked;
    }
  }
}
