/**
 * What a replica, the master or a person asks of the configuration manager: replace the configuration that I expect
 * you to have by this one.
 *
 * A proposal spells out the whole next configuration instead of the difference, so that proposer and manager cannot
 * mean different things by it. It names the version it builds on, and an id that makes it idempotent: a proposer
 * whose answer was lost sends the same proposal again, unchanged. It must not give it up instead, because the copy
 * in flight may still be accepted; it is settled once a newer configuration is seen.
 *
 * The functions below build the `next` of each kind that replicas propose.
 */
import { invariant } from '@diststore/base';

import type { Configuration, Proposer, Roles } from './configuration.js';
import type { Generation, PartitionId, ProposalId } from './ids.js';
import { hasMember, without } from './member.js';
import type { Member } from './member.js';
import type { Ver } from './ver.js';

export interface ProposalBase {
  readonly partition: PartitionId;
  /** The version of the record this replaces; null: there is no record yet. */
  readonly expect: Ver | null;
  readonly proposalId: ProposalId;
  readonly by: Proposer;
}

/** A change that the replicas of the partition ask for themselves. */
export interface ReplicaProposal extends ProposalBase {
  readonly kind: 'promote' | 'restart' | 'remove' | 'leave' | 'add' | 'handover';
  readonly next: Roles;
}

export interface CreateProposal extends ProposalBase {
  readonly kind: 'create';
  readonly next: Roles;
}

export interface ForceProposal extends ProposalBase {
  readonly kind: 'force';
  readonly next: Roles;
  /** Needed to name a replica that may lack acknowledged writes. */
  readonly acceptDataLoss: boolean;
}

export interface PolicyProposal extends ProposalBase {
  readonly kind: 'policy';
  readonly next: Roles & { readonly minInSync: number };
}

export interface RecoverProposal extends ProposalBase {
  readonly kind: 'recover';
  /** The new generation, above every one that any worker reported. */
  readonly gen: Generation;
  /** The version of the newest configuration that any worker reported, which `next` repeats. */
  readonly base: Ver;
  readonly next: Roles & { readonly minInSync: number; readonly eligible: readonly Member[] };
}

export type Proposal = ReplicaProposal | CreateProposal | ForceProposal | PolicyProposal | RecoverProposal;

/** A secondary takes over: only the old primary leaves. REQUIRES: `self` is an in-sync secondary. */
export function promotionOf(current: Configuration, self: Member): Roles {
  invariant(hasMember(current.insync, self), 'only an in-sync member promotes itself', { self });
  return { primary: self, insync: without(current.insync, [current.primary]) };
}

/** Members other than the primary leave, silent ones (`remove`) or willing ones (`leave`). */
export function removalOf(current: Configuration, leaving: readonly Member[]): Roles {
  invariant(!hasMember(leaving, current.primary), 'a primary does not remove itself', { leaving });
  return { primary: current.primary, insync: without(current.insync, leaving) };
}

/** Caught-up replicas join. The caller already counts them for commit and lease (see `pendingAdd` in replication). */
export function admissionOf(current: Configuration, joining: readonly Member[]): Roles {
  return { primary: current.primary, insync: [...current.insync, ...without(joining, current.insync)] };
}

/** The primary, having stopped serving, passes its role on. REQUIRES: `to` is an in-sync secondary. */
export function handoverOf(current: Configuration, to: Member): Roles {
  invariant(hasMember(current.insync, to), 'a hand-over goes to an in-sync member', { to });
  return { primary: to, insync: current.insync };
}
