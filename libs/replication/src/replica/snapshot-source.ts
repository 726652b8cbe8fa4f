/**
 * Giving a snapshot, for a replica whose log ends before ours begins. The host reads the data in chunks from one
 * consistent snapshot of its store; a few chunks are on their way at a time, each acknowledged when it is durable.
 *
 * A session's number is above every one that its receiver took part in, and is never used twice: chunks of an earlier
 * session may still be on their way.
 */
import { invariant } from '@diststore/base';

import type { AppliedState } from '../durable-state.js';
import { SNAPSHOT_CHUNKS_IN_FLIGHT } from '../limits.js';
import type { Message } from '../message.js';
import type { Peer, SnapshotSession } from '../peer.js';
import type { ReplicaEvent } from '../replica-event.js';
import type { Contact } from './contact.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';

export class SnapshotSource {
  private newestId = 0;

  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly contact: Contact,
  ) {}

  /** @param snapshotId the newest session that the peer took part in */
  consider(peer: Peer, snapshotId: number): void {
    if (peer.snapshot !== undefined || peer.installed || !this.rules.mayErase(peer)) return;
    const id = Math.max(snapshotId, this.newestId) + 1;
    this.newestId = id;
    peer.snapshot = {
      id,
      state: undefined,
      chunks: new Map(),
      nextRead: 1,
      readsOut: 0,
      acked: -1,
      total: undefined,
      progressMs: this.s.nowMs,
    };
    this.s.emit({ type: 'snapshotOpen', snapshotId: id, to: peer.worker });
  }

  private sessionOf(snapshotId: number): { peer: Peer; session: SnapshotSession } | undefined {
    for (const peer of this.s.peers.values())
      if (peer.snapshot?.id === snapshotId) return { peer, session: peer.snapshot };
    return undefined;
  }

  onOpened(snapshotId: number, state: AppliedState): void {
    const found = this.sessionOf(snapshotId);
    if (found === undefined) return;
    found.session.state = state;
    this.sendBegin(found.peer, found.session);
  }

  private sendBegin(peer: Peer, session: SnapshotSession): void {
    const { s } = this;
    if (s.seen === null || session.state === undefined || s.role !== 'primary') return;
    if (!this.rules.mayErase(peer)) return;
    // The copy has no log: what it holds ends where it is applied.
    const baseVer = this.verAt(session.state);
    const state = { ...session.state, base: session.state.applied, baseVer };
    s.send(peer.worker, { type: 'snapshotBegin', configuration: s.seen, snapshotId: session.id, state });
  }

  private verAt({ applied }: AppliedState): AppliedState['baseVer'] {
    const ver = this.s.log.verAt(applied);
    invariant(ver !== undefined, 'the log is not trimmed above a snapshot in use', { applied });
    return ver;
  }

  onRead(event: Extract<ReplicaEvent, { type: 'snapshotRead' }>): void {
    const found = this.sessionOf(event.snapshotId);
    if (found === undefined) return;
    const { peer, session } = found;
    session.readsOut -= 1;
    session.chunks.set(event.index, event.rows);
    if (event.done) session.total = event.index;
    this.sendChunk(peer, session, event.index);
    this.goOn(peer, session);
  }

  private sendChunk(peer: Peer, session: SnapshotSession, index: number): void {
    const { seen } = this.s;
    const rows = session.chunks.get(index);
    if (rows === undefined || seen === null) return;
    const { id: snapshotId } = session;
    this.s.send(peer.worker, { type: 'snapshotChunk', ver: verOf(seen), snapshotId, index, rows });
  }

  private goOn(peer: Peer, session: SnapshotSession): void {
    const { s } = this;
    if (session.acked < 0 || s.seen === null) return;
    if (session.total !== undefined && session.acked >= session.total) {
      const chunks = session.total;
      s.send(peer.worker, { type: 'snapshotEnd', ver: verOf(s.seen), snapshotId: session.id, chunks });
      return;
    }
    // Chunks are read one after the other, because each read goes on from where the last one ended.
    if (session.readsOut > 0 || session.total !== undefined) return;
    if (session.nextRead - session.acked > SNAPSHOT_CHUNKS_IN_FLIGHT) return;
    session.readsOut += 1;
    s.emit({ type: 'snapshotRead', snapshotId: session.id, index: session.nextRead });
    session.nextRead += 1;
  }

  onAck(peer: Peer, { snapshotId, index }: Extract<Message, { type: 'snapshotAck' }>): void {
    const { s } = this;
    const session = peer.snapshot;
    if (session?.id !== snapshotId || index <= session.acked) return;
    peer.lastHeardMs = s.nowMs;
    session.progressMs = s.nowMs;
    session.acked = index;
    for (const at of session.chunks.keys()) if (at <= index) session.chunks.delete(at);
    if (session.total !== undefined && index > session.total) {
      this.close(peer);
      if (s.installed.shared && s.role === 'primary') this.contact.sendInstall(peer);
      return;
    }
    this.goOn(peer, session);
  }

  /** Repeats what may have been lost, and gives up on one who stays silent. */
  onTick(peer: Peer): void {
    const session = peer.snapshot;
    if (session === undefined) return;
    const { nowMs, timing } = this.s;
    const idleMs = nowMs - session.progressMs;
    if (idleMs >= 2 * timing.prepareTimeoutMs) {
      this.close(peer);
      return;
    }
    if (idleMs < 2 * timing.beaconMs) return;
    if (session.acked < 0) this.sendBegin(peer, session);
    else if (session.total !== undefined && session.acked >= session.total) this.goOn(peer, session);
    else for (const index of session.chunks.keys()) this.sendChunk(peer, session, index);
  }

  onFailed(snapshotId: number): void {
    const found = this.sessionOf(snapshotId);
    if (found !== undefined) this.close(found.peer);
  }

  close(peer: Peer): void {
    if (peer.snapshot === undefined) return;
    this.s.emit({ type: 'snapshotClose', snapshotId: peer.snapshot.id });
    peer.snapshot = undefined;
  }
}
