/**
 * Seeded bugs: mistakes that look reasonable, each injected by replacing one rule of the replica, the host or the
 * master. The checkers must catch every one of them within a bounded number of seeds; a simulator that cannot fail
 * proves nothing.
 */
import type { Admission, Decision, Member, Proposal } from '@diststore/cluster';
import { Rules } from '@diststore/replication';
import type {
  Effect,
  Moment,
  Peer,
  ReplicaEvent,
  ReplicaOptions,
  ReplicaState,
  Seq,
} from '@diststore/replication';

import { ObservedReplica } from './observed-replica.js';
import type { SeedOptions } from './run-seed.js';
import { SimulatedMaster } from './simulated-master.js';
import type { HostMistake, World } from './world.js';

export interface SeededBug {
  readonly name: string;
  readonly mistake: string;
  readonly profile: string;
  /** Where to begin to look, if it is rare: nobody waits for the many schedules before. */
  readonly firstSeed?: number;
  readonly Rules?: new (state: ReplicaState) => Rules;
  readonly Replica?: new (options: ReplicaOptions) => ObservedReplica;
  readonly Master?: new (world: World) => SimulatedMaster;
  readonly hostMistake?: HostMistake;
}

export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: 'commitMajority',
    mistake: 'a write commits when a majority has it, not all that are in sync',
    profile: 'crashes',
    Rules: class extends Rules {
      override commitPoint(): Seq {
        const { durable, committed, peers } = this.s;
        const acked = this.requiredMembers().map(({ worker }) => peers.get(worker)?.acked ?? 0);
        const all = [durable, ...acked].sort((a, b) => b - a);
        return Math.max(committed, Math.min(all[all.length >> 1] ?? 0, durable));
      }
    },
  },
  {
    name: 'selfNotDurable',
    mistake: 'the primary commits on the acknowledgements of others, before its own disk has the entry',
    profile: 'crashes',
    Rules: class extends Rules {
      override commitPoint(): Seq {
        const { durable, installed, log } = this.s;
        if (installed.shared && this.requiredMembers().length > 0) this.s.durable = log.last;
        const seq = super.commitPoint();
        this.s.durable = durable;
        return seq;
      }
    },
  },
  {
    name: 'ackBeforeFsync',
    mistake: 'a secondary acknowledges an entry before it is durable',
    profile: 'crashes',
    Replica: class extends ObservedReplica {
      override step(event: ReplicaEvent, moment: Moment): Effect[] {
        const effects = super.step(event, moment);
        const appends = effects.some(
          (effect) => effect.type === 'persist' && effect.writes.some(({ type }) => type === 'append'),
        );
        if (appends && event.type === 'message' && event.message.type === 'prepare') {
          const { ver } = event.message;
          const message = { type: 'prepared', ver, durable: this.state.log.last } as const;
          effects.push({ type: 'send', to: event.from.worker, message });
        }
        return effects;
      }
    },
  },
  {
    name: 'noLease',
    mistake: 'a primary serves without leases',
    profile: 'network',
    Rules: class extends Rules {
      override holdsLease(peer: Peer): boolean {
        return peer.installed;
      }
    },
  },
  {
    name: 'leaseFromAck',
    mistake: 'a lease counts from the arrival of the answer, not from sending the beacon',
    profile: 'network',
    Rules: class extends Rules {
      override leaseFrom(): number {
        return this.s.nowMs + this.s.timing.leaseMs;
      }
    },
  },
  {
    name: 'noPromiseWait',
    mistake: 'a new primary serves at once, while its own promise to the old one is running',
    profile: 'lateMaster',
    Rules: class extends Rules {
      override waitOf(): number {
        return 0;
      }
    },
  },
  {
    name: 'forgottenPromise',
    mistake: 'a restarted process takes itself to have promised nothing',
    profile: 'crashes',
    Rules: class extends Rules {
      override promiseAtStart(): number {
        return 0;
      }
    },
  },
  {
    name: 'pendingNotCounted',
    mistake: 'a member whose admission is proposed does not count yet',
    profile: 'master',
    Rules: class extends Rules {
      override countedFromNow(): Member[] {
        return [];
      }
    },
  },
  {
    name: 'truncateToCommit',
    mistake: 'a secondary cuts its log at its own commit point, not where the logs agree',
    profile: 'crashes',
    Rules: class extends Rules {
      override matchWith(): Seq {
        return Math.min(this.s.committed, this.s.log.last);
      }
    },
  },
  {
    name: 'readBeforeReconcile',
    mistake: 'a new primary answers reads before it has committed what it inherited',
    profile: 'slowFailover',
    Rules: class extends Rules {
      override reconcilePoint(): Seq {
        return 0;
      }
    },
  },
  {
    name: 'resumeSameEpoch',
    mistake: 'a restarted primary goes on in the same version although others took part in it',
    profile: 'crashes',
    Rules: class extends Rules {
      override mayResume(): boolean {
        return true;
      }
    },
  },
  {
    name: 'namelessCompletion',
    mistake: 'a finished batch marks durable whatever is in the log by then, not what it held',
    profile: 'crashes',
    Rules: class extends Rules {
      override completedThrough(): Seq {
        return this.s.log.last;
      }
    },
  },
  {
    name: 'endlessCandidate',
    mistake:
      'a candidate refuses the beacons of its primary until it gets an answer, so a healthy partition freezes',
    profile: 'masterAway',
    Rules: class extends Rules {
      override refusesBeacons(): boolean {
        return this.s.proposals.has('promote');
      }
    },
  },
  {
    name: 'stopsUnasked',
    mistake:
      'a primary stops for a hand-over without asking the master, which may be gone, whether it takes it',
    profile: 'master',
    firstSeed: 5300,
    Replica: class extends ObservedReplica {
      override step(event: ReplicaEvent, moment: Moment): Effect[] {
        return super
          .step(event, moment)
          .flatMap((effect) =>
            effect.type === 'askMaster'
              ? this.step({ type: 'masterAnswered', token: effect.token }, moment)
              : effect,
          );
      }
    },
  },
  {
    name: 'acksByIndex',
    mistake: 'what a lost disk acknowledged is credited to the new disk of the same worker',
    profile: 'moves',
    Rules: class extends Rules {
      override isPeer(peer: Peer, from: Member): boolean {
        peer.member = from;
        return true;
      }
    },
  },
  {
    name: 'clocksTrusted',
    mistake: 'a host does not compare its clocks, so a machine that slept goes on serving',
    profile: 'suspends',
    hostMistake: 'trustsClocks',
  },
  {
    name: 'leaseOutlivesJump',
    mistake: 'after a suspension, answers that waited in the sockets earn leases',
    profile: 'suspends',
    Rules: class extends Rules {
      override earnsLease(): boolean {
        return true;
      }
    },
  },
  {
    name: 'timingNotCompared',
    mistake: 'a secondary follows a primary whose lease outlasts its own promise',
    profile: 'timings',
    Rules: class extends Rules {
      override promiseFits(): boolean {
        return true;
      }
    },
  },
  {
    name: 'cheapWhileShared',
    mistake: 'a sole primary applies directly although another replica listens already',
    profile: 'growth',
    Rules: class extends Rules {
      override isCheap(from: Seq): boolean {
        const { seen, queuedState } = this.s;
        return seen?.insync.length === 1 && queuedState.applied === from && this.mayServeNow();
      }
    },
  },
  {
    name: 'losesUnlogged',
    mistake:
      'of the writes sequenced for no log, which must go into one because the clocks came apart, one is lost',
    profile: 'growth',
    Replica: class extends ObservedReplica {
      override step(event: ReplicaEvent, moment: Moment): Effect[] {
        const { log, flushedTo } = this.state;
        const isUnlogged = log.last > flushedTo && log.at(log.last)?.bytes.length === 0;
        if (isUnlogged && event.type !== 'write' && !moment.clockSane) log.truncate(log.last - 1);
        return super.step(event, moment);
      }
    },
  },
  {
    name: 'ackUnderReplicated',
    mistake: 'a write is acknowledged although fewer than the minimum have it',
    profile: 'forced',
    Rules: class extends Rules {
      override mayAcknowledge(): boolean {
        return true;
      }
    },
  },
  {
    name: 'carelessForce',
    mistake: 'an operator may name a replica that lacks acknowledged writes without saying so',
    profile: 'forced',
    Master: class extends SimulatedMaster {
      protected override decide(proposal: Proposal): Decision {
        return super.decide(proposal.kind === 'force' ? { ...proposal, acceptDataLoss: true } : proposal);
      }
    },
  },
  {
    name: 'bootNotCompared',
    mistake: 'the master lets a disk in that was rolled back',
    profile: 'rollBacks',
    Master: class extends SimulatedMaster {
      override admit(...given: Parameters<SimulatedMaster['admit']>): Admission {
        const admission = super.admit(...given);
        const [known] = given;
        if (known === undefined || !('refused' in admission) || admission.refused !== 'disk-rolled-back')
          return admission;
        return { welcome: 'returning', registration: known };
      }
    },
  },
  {
    name: 'onlyBootsCompared',
    mistake: 'the master lets a disk in that was rolled back, once it has been started often enough',
    profile: 'rollBacks',
    Master: class extends SimulatedMaster {
      override admit(...[known, request, options]: Parameters<SimulatedMaster['admit']>): Admission {
        return super.admit(known, { ...request, earlier: [] }, options);
      }
    },
  },
  {
    name: 'recoverFromSome',
    mistake: 'a master with old data recovers from the reports of a majority',
    profile: 'restores',
    firstSeed: 51_900,
    Master: class extends SimulatedMaster {
      protected override isEnoughToRecover(answered: number): boolean {
        return answered > this.world.workerCount / 2;
      }
    },
  },
  {
    name: 'blindSweep',
    mistake: 'a sweep deletes what was expired when it looked, not what is expired now',
    profile: 'expiry',
    hostMistake: 'blindSweep',
  },
  {
    name: 'leavesWhenAllStop',
    mistake: 'workers of a cluster that is stopped as a whole hand over and leave',
    profile: 'clusterStop',
    hostMistake: 'leavesWhenAllStop',
  },
  {
    name: 'dropsMembers',
    mistake: 'a worker drops a replica that is not wanted although it is still in sync',
    profile: 'retired',
    hostMistake: 'dropsMembers',
  },
  {
    name: 'erasesFirst',
    mistake: 'a replica is erased under its old name, so that a crash on the way leaves an impostor',
    profile: 'corruption',
    hostMistake: 'erasesFirst',
  },
  {
    name: 'neverStays',
    mistake: 'a replica that was to leave and could not goes on without taking writes',
    profile: 'damageAlone',
    hostMistake: 'neverStays',
  },
  {
    name: 'silentWhileCounted',
    mistake: 'a damaged secondary that the others cannot do without falls silent all the same',
    profile: 'damage',
    firstSeed: 1500,
    hostMistake: 'silentWhileCounted',
  },
  {
    name: 'erasesLearners',
    mistake: 'a damaged learner is erased although its admission may be proposed already',
    profile: 'damage',
    firstSeed: 2100,
    hostMistake: 'erasesLearners',
  },
  {
    name: 'forgetsRequests',
    mistake: 'a host does not look repeated requests up, so they are carried out again',
    profile: 'crashes',
    hostMistake: 'forgetsRequests',
  },
];

/** @throws Error there is no such bug. */
export function bugOptions(name: string): SeedOptions {
  const bug = SEEDED_BUGS.find((candidate) => candidate.name === name);
  if (bug === undefined)
    throw new Error(`There is no bug ${name}; there are ${SEEDED_BUGS.map((b) => b.name).join(', ')}.`);
  const { Replica = ObservedReplica, Rules: TheRules = Rules } = bug;
  const { Master, hostMistake } = bug;
  return {
    profile: bug.profile,
    ...(Master === undefined ? {} : { masterFactory: (world: World) => new Master(world) }),
    mistake: hostMistake,
    factory: (options) =>
      bug.Replica === undefined
        ? new ObservedReplica(options, (state) => new TheRules(state))
        : new Replica(options),
  };
}
