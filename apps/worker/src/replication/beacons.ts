/**
 * Beacons of one worker: sends one to each worker that takes part in a partition led from here, every `beaconMs`, and
 * answers those of others, at once and the same way.
 *
 * Frames only; what an item means is the replica's to say. An answer to a beacon that was sent before the clocks of
 * this machine jumped grants no lease: the lease would count from a time that is not what it seems.
 */
import type { Member, PartitionId, WorkerIndex } from '@diststore/cluster';
import {
  assembleBeacon,
  decodeBeacon,
  decodeBeaconAnswer,
  encodeBeacon,
  encodeBeaconAnswer,
} from '@diststore/replication';
import type {
  AcceptedItem,
  Beacon,
  BeaconAnswer,
  BeaconSource,
  Effect,
  ReplicaEvent,
} from '@diststore/replication';

import type { Line, ReplicaNetwork, Sender } from './replica-network.js';

/** What beacons need of the host's replicas. */
export interface BeaconReplicas {
  /** All that run here. */
  sources(): Iterable<BeaconSource>;
  /** The workers that may be in some configuration or target with us. */
  partners(): Iterable<WorkerIndex>;
  /** Of the replica that a beacon reaches, born now if it must be; undefined: there is none. */
  incarnationOf(partition: PartitionId): Member['incarnation'] | undefined;
  step(partition: PartitionId, event: ReplicaEvent): readonly Effect[];
}

export interface BeaconsOptions {
  readonly network: Pick<ReplicaNetwork, 'send'>;
  readonly replicas: BeaconReplicas;
  readonly boot: number;
  readonly beaconMs: number;
  readonly leaseMs: number;
  readonly clocks: { readonly jumpedAtMs: number };
}

export class Beacons {
  private lastSentMs = -Infinity;

  constructor(private readonly options: BeaconsOptions) {}

  /** In each tick, after the replicas were told the time. */
  tick(nowMs: number): void {
    if (nowMs - this.lastSentMs < this.options.beaconMs) return;
    this.lastSentMs = nowMs;
    const { network, replicas, boot, leaseMs } = this.options;
    for (const worker of replicas.partners()) {
      const beacon = assembleBeacon(replicas.sources(), worker, { boot, sentAtMs: nowMs, leaseMs });
      if (beacon !== undefined) network.send(worker, 'beacons', encodeBeacon(beacon));
    }
  }

  onMessage(line: Line, bytes: Buffer): void {
    const beacon = decodeBeacon(bytes);
    if (beacon !== undefined) {
      line.answer(encodeBeaconAnswer(this.answerTo(line.sender, beacon)));
      return;
    }
    const answer = decodeBeaconAnswer(bytes);
    if (answer === undefined) line.malformed('neither a beacon nor an answer to one');
    else this.onAnswer(line.sender, answer);
  }

  private answerTo({ worker, store }: Sender, { boot, sentAtMs, leaseMs, items }: Beacon): BeaconAnswer {
    const { replicas } = this.options;
    const accepted: AcceptedItem[] = [];
    const rejected: BeaconAnswer['rejected'][number][] = [];
    for (const item of items) {
      const { partition, ver } = item;
      const incarnation = replicas.incarnationOf(partition);
      if (incarnation === undefined) continue;
      for (const effect of replicas.step(partition, {
        type: 'beacon',
        from: { worker, store },
        leaseMs,
        item,
      })) {
        if (effect.type !== 'beaconAnswer') continue;
        if (effect.accepted) accepted.push({ partition, ver, incarnation });
        else if (effect.newer !== undefined) rejected.push({ partition, configuration: effect.newer });
      }
    }
    return { boot, sentAtMs, accepted, rejected };
  }

  private onAnswer({ worker, store }: Sender, { boot, sentAtMs, accepted, rejected }: BeaconAnswer): void {
    const { replicas, clocks } = this.options;
    if (boot === this.options.boot && sentAtMs > clocks.jumpedAtMs)
      for (const { partition, ver, incarnation } of accepted)
        replicas.step(partition, {
          type: 'beaconAccepted',
          from: { worker, store, incarnation },
          ver,
          sentAtMs,
          boot,
        });
    for (const { partition, configuration } of rejected)
      replicas.step(partition, { type: 'configuration', configuration });
  }
}
