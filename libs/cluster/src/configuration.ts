/**
 * The configuration of one partition: who must hold every committed write, and who of them is primary.
 *
 * This is the record that the configuration manager keeps for each partition and changes by compare-and-swap, as in
 * PacificA (Lin, Yang, Zhang, Zhou: "PacificA: Replication in Log-Based Distributed Storage Systems", Microsoft
 * Research MSR-TR-2008-25): consensus is left to the manager, and the replicas of a partition follow the record.
 *
 * Two members of the record are about acknowledging, not about committing:
 * - `minInSync`: while fewer members are in sync, new writes are refused, so that an acknowledged write was on at
 *   least that many disks.
 * - `eligible`: those that left the in-sync set while it was, or fell, below that minimum. Nothing has been
 *   acknowledged since, so each of them still holds every acknowledged write, and an operator may make one of them
 *   primary without losing any. The idea is that of Kafka's eligible leader replicas (KIP-966), but without their
 *   automatic use, because the remaining primary may be alive. Empty as soon as enough members are in sync.
 *
 * Invariants: see `problemOfConfiguration`. How one record may follow another: transition.ts.
 */
import type { ProposalId } from './ids.js';
import { hasMember, MEMBERS_MAX, sameMember, workerListedTwice } from './member.js';
import type { Member } from './member.js';
import { sameVer } from './ver.js';
import type { Ver } from './ver.js';

/** Persisted and on the wire, never rename. */
export const CHANGE_KINDS = [
  'create',
  'promote',
  'restart',
  'remove',
  'leave',
  'add',
  'handover',
  'recover',
  'force',
  'policy',
] as const;

/** Why a configuration followed the one before; transition.ts says who may ask for which. */
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Who asked: a replica, the master on its own account (creation, policy, recovery), or a person. */
export type Proposer = Member | 'master' | 'operator';

/** The part of a configuration that a replica acts on. */
export interface Roles {
  readonly primary: Member;
  /** Must hold every committed entry; the primary included. The order ranks secondaries for promotion. */
  readonly insync: readonly Member[];
}

export interface Configuration extends Ver, Roles {
  readonly eligible: readonly Member[];
  readonly minInSync: number;
  readonly kind: ChangeKind;
  /** With it a proposer whose answer was lost recognises its own change. */
  readonly proposalId: ProposalId;
  readonly by: Proposer;
}

/** The in-sync members besides the primary. */
export function secondaries(roles: Roles): Member[] {
  return roles.insync.filter((member) => member.worker !== roles.primary.worker);
}

/** Whether new writes are admitted. Reads, and entries that are in the log already, do not ask. */
export function hasEnoughInSync(configuration: Configuration): boolean {
  return configuration.insync.length >= configuration.minInSync;
}

/**
 * Whether a primary named by this configuration may serve at once, although it may have promised an earlier primary
 * to wait: in a hand-over that primary stopped serving before it proposed, and a partition that was just created
 * never had one.
 */
export function startsWithoutWaiting(configuration: Configuration): boolean {
  return configuration.kind === 'handover' || configuration.kind === 'create';
}

/** What makes this record one that no legal transition produces, or undefined if nothing does. */
export function problemOfConfiguration(configuration: Configuration): string | undefined {
  const { primary, insync, eligible, minInSync } = configuration;
  if (insync.length === 0) return 'nobody is in sync';
  if (insync.length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} members are in sync`;
  const twice = workerListedTwice(insync);
  if (twice !== undefined) return `worker ${twice} is in sync twice`;
  if (!hasMember(insync, primary)) return `the primary, on worker ${primary.worker}, is not in sync`;
  if (!Number.isSafeInteger(minInSync) || minInSync < 1 || minInSync > MEMBERS_MAX)
    return `minInSync is not from 1 to ${MEMBERS_MAX}`;
  if (eligible.length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} members are eligible`;
  if (eligible.length > 0 && insync.length >= minInSync)
    return 'members are eligible although enough are in sync';
  const both = eligible.find((member) => hasMember(insync, member));
  if (both !== undefined) return `worker ${both.worker} is both in sync and eligible`;
  if (eligible.some((member, i) => hasMember(eligible.slice(0, i), member)))
    return 'a member is eligible twice';
  return undefined;
}

/** Whether both are the same record, field by field and in the same order. Equal versions alone must imply this. */
export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  return (
    sameVer(a, b) &&
    sameMember(a.primary, b.primary) &&
    sameList(a.insync, b.insync) &&
    sameList(a.eligible, b.eligible) &&
    a.minInSync === b.minInSync &&
    a.kind === b.kind &&
    a.proposalId === b.proposalId &&
    sameProposer(a.by, b.by)
  );
}

function sameProposer(a: Proposer, b: Proposer): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return sameMember(a, b);
}

function sameList(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((member, i) => sameMember(member, b[i] as Member));
}
