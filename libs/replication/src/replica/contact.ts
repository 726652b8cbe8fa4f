/**
 * The first word of a primary to everybody it works with: INSTALL, "take part in this version". Nobody hears of a
 * version before the primary's own row 01 says durably that it leads it and that it is shared.
 */
import { invariant } from '@diststore/base';
import type { WorkerIndex } from '@diststore/cluster';

import type { Peer } from '../peer.js';
import type { DiskQueue } from './disk-queue.js';
import type { ReplicaState } from './replica-state.js';

export class Contact {
  constructor(
    private readonly s: ReplicaState,
    private readonly disk: DiskQueue,
  ) {}

  /** Says INSTALL to whoever has not answered it. */
  all(): void {
    const { s } = this;
    if (s.role !== 'primary' || !s.installedDurable || s.peers.size === 0) return;
    if (!s.installed.shared) {
      this.disk.install({ ...s.installed, shared: true }, [], () => this.all());
      return;
    }
    for (const peer of s.peers.values()) {
      if (peer.installed || peer.snapshot !== undefined) continue;
      if (s.nowMs - peer.installSentMs < s.timing.beaconMs) continue;
      this.sendInstall(peer);
    }
  }

  one(worker: WorkerIndex): void {
    const peer = this.s.peers.get(worker);
    if (peer !== undefined && this.s.installed.shared) this.sendInstall(peer);
  }

  sendInstall(peer: Peer): void {
    const { s } = this;
    invariant(s.seen !== null && s.installed.shared, 'only a shared version is spoken of', s.facts());
    peer.installSentMs = s.nowMs;
    s.send(peer.worker, {
      type: 'install',
      configuration: s.seen,
      log: s.log.shape(),
      committed: s.committed,
      leaseMs: s.timing.leaseMs,
      sentAtMs: s.nowMs,
      boot: s.boot,
    });
  }
}
