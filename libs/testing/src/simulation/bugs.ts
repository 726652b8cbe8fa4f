/**
 * Seeded bugs: mistakes that look reasonable, each injected by overriding one rule of the replica or the master. The
 * checkers must catch every one of them within a bounded number of seeds; a simulator that cannot fail proves nothing.
 */
import type { Member } from '@diststore/cluster';
import type { Effect, Peer, ReplicaEvent, ReplicaOptions, Seq } from '@diststore/replication';

import type { SeedOptions } from './run-seed.js';
import { ObservedReplica } from './simulation.js';

export interface SeededBug {
  readonly name: string;
  readonly mistake: string;
  readonly profile: string;
  readonly Replica: new (options: ReplicaOptions) => ObservedReplica;
}

export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: 'commitMajority',
    mistake: 'a write commits when a majority has it, not all that are in sync',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override commitPoint(): Seq {
        const acked = this.requiredMembers().map(({ worker }) => this.peers.get(worker)?.acked ?? 0);
        const all = [this.durable, ...acked].sort((a, b) => b - a);
        return Math.max(this.committed, Math.min(all[all.length >> 1] ?? 0, this.durable));
      }
    },
  },
  {
    name: 'selfNotDurable',
    mistake: 'the primary commits on the acknowledgements of others, before its own disk has the entry',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override commitPoint(): Seq {
        const durable = this.durable;
        if (this.installed.shared && this.requiredMembers().length > 0) this.durable = this.log.last;
        const seq = super.commitPoint();
        this.durable = durable;
        return seq;
      }
    },
  },
  {
    name: 'ackBeforeFsync',
    mistake: 'a secondary acknowledges an entry before it is durable',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      override step(event: ReplicaEvent): Effect[] {
        const effects = super.step(event);
        const appends = effects.some(
          (effect) => effect.type === 'persist' && effect.writes.some(({ type }) => type === 'append'),
        );
        if (appends && event.type === 'message' && event.message.type === 'prepare') {
          const { ver } = event.message;
          effects.push({
            type: 'send',
            to: event.from.worker,
            message: { type: 'prepared', ver, durable: this.log.last },
          });
        }
        return effects;
      }
    },
  },
  {
    name: 'noLease',
    mistake: 'a primary serves without leases',
    profile: 'network',
    Replica: class extends ObservedReplica {
      protected override holdsLease(peer: Peer): boolean {
        return peer.installed;
      }
    },
  },
  {
    name: 'leaseFromAck',
    mistake: 'a lease counts from the arrival of the answer, not from sending the beacon',
    profile: 'network',
    Replica: class extends ObservedReplica {
      protected override leaseFrom(): number {
        return this.nowMs + this.timing.leaseMs;
      }
    },
  },
  {
    name: 'noPromiseWait',
    mistake: 'a new primary serves at once, while its own promise to the old one is running',
    profile: 'lateMaster',
    Replica: class extends ObservedReplica {
      protected override waitOf(): number {
        return 0;
      }
    },
  },
  {
    name: 'forgottenPromise',
    mistake: 'a restarted process takes itself to have promised nothing',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override promiseAtStart(): number {
        return 0;
      }
    },
  },
  {
    name: 'pendingNotCounted',
    mistake: 'a member whose admission is proposed does not count yet',
    profile: 'master',
    Replica: class extends ObservedReplica {
      protected override countedFromNow(): Member[] {
        return [];
      }
    },
  },
  {
    name: 'truncateToCommit',
    mistake: 'a secondary cuts its log at its own commit point, not where the logs agree',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override matchWith(): Seq {
        return Math.min(this.committed, this.log.last);
      }
    },
  },
  {
    name: 'readBeforeReconcile',
    mistake: 'a new primary answers reads before it has committed what it inherited',
    profile: 'mixed',
    Replica: class extends ObservedReplica {
      protected override reconcilePoint(): Seq {
        return 0;
      }
    },
  },
  {
    name: 'resumeSameEpoch',
    mistake: 'a restarted primary goes on in the same version although others took part in it',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override mayResume(): boolean {
        return true;
      }
    },
  },
  {
    name: 'namelessCompletion',
    mistake: 'a finished batch marks durable whatever is in the log by then, not what it held',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      protected override completedThrough(): Seq {
        return this.log.last;
      }
    },
  },
  {
    name: 'endlessCandidate',
    mistake:
      'a candidate refuses the beacons of its primary until it gets an answer, so a healthy partition freezes',
    profile: 'masterAway',
    Replica: class extends ObservedReplica {
      protected override refusesBeacons(): boolean {
        return this.hasProposedItself;
      }
    },
  },
  {
    name: 'acksByIndex',
    mistake: 'what a lost disk acknowledged is credited to the new disk of the same worker',
    profile: 'moves',
    Replica: class extends ObservedReplica {
      protected override isPeer(peer: Peer, from: Member): boolean {
        peer.member = from;
        return true;
      }
    },
  },
];

/** @throws Error there is no such bug. */
export function bugOptions(name: string): SeedOptions {
  const bug = SEEDED_BUGS.find((candidate) => candidate.name === name);
  if (bug === undefined)
    throw new Error(`There is no bug ${name}; there are ${SEEDED_BUGS.map((b) => b.name).join(', ')}.`);
  return { profile: bug.profile, factory: (options) => new bug.Replica(options) };
}
