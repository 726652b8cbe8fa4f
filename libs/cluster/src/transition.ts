/**
 * How one configuration of a partition may follow another: the whole of what the configuration manager decides.
 *
 * `decide` is a pure function of the stored record, the proposal, and what the manager knows of registrations and
 * placement. The manager stores an accepted record by compare-and-swap against the version it decided on, so any
 * number of managers may decide at once; the answer may be computed again at will.
 *
 *   kind      proposer                       next configuration
 *   --------  -----------------------------  -----------------------------------------------------------------
 *   create    master                         no record so far; every replica of the target, all of them empty
 *   promote   an in-sync secondary           primary = proposer; the old primary leaves, nobody else
 *   restart   the primary, after a restart   unchanged, but a new epoch: it may have sent what it forgot
 *   remove    the primary                    without one or more secondaries that fell silent
 *   leave     the primary, asked by them     same, of their own will; refused if too few would remain in sync
 *   add       the primary                    with more members: registered stores of workers in the target
 *   handover  the primary, having stopped    primary = another member; the same members
 *   policy    master or operator             unchanged but for minInSync
 *   force     operator                       one replica alone; the operator vouches that all others are stopped
 *   recover   master or operator             the newest configuration any worker knows, under a new generation
 *
 * Invariants, asserted on every accepted change:
 * - the version only grows, and by one epoch within its generation;
 * - the in-sync set is never empty and contains the primary;
 * - only `create`, `add`, `recover` and `force` may bring in a member: everywhere else each member of the new set
 *   was in the old one, which is why it holds every committed write.
 *
 * `minInSync` is a ratchet. It rises to the goal only with an `add` after which that many are in sync, so growing a
 * cluster never blocks writes, and falls only by `policy`.
 *
 * Not here: whether proposals are taken at all (a manager that doubts its own data takes none), and when to propose.
 */
import { invariant, unreachable } from '@diststore/base';

import { problemOfConfiguration } from './configuration.js';
import type { Configuration, Proposer, Roles } from './configuration.js';
import { epoch, isWholeNumber } from './ids.js';
import type { Generation, StoreId, WorkerIndex } from './ids.js';
import { hasMember, MEMBERS_MAX, sameMember, sameMembers, without, workerListedTwice } from './member.js';
import type { Member } from './member.js';
import type {
  CreateProposal,
  ForceProposal,
  Proposal,
  RecoverProposal,
  ReplicaProposal,
} from './proposal.js';
import type { Target } from './target.js';
import { compareVer, isNewer, nextVer, sameVer } from './ver.js';
import type { Ver } from './ver.js';

/** What the manager knows besides the record. It may be newer than what the proposer knew, never mind. */
export interface DecisionContext {
  /** The generation of the manager's data, given to what it creates. */
  readonly gen: Generation;
  /** The store that each worker is registered with at present. */
  readonly registered: ReadonlyMap<WorkerIndex, StoreId>;
  /** Where this partition should be. */
  readonly target: Target | undefined;
  /** Under placement `local`, the one worker this partition may ever be on. */
  readonly owner?: WorkerIndex | undefined;
  /** What `minInSync` should be once enough members are in sync: see `minInSyncGoal`. */
  readonly minInSyncGoal: number;
}

/** On the wire, never rename. */
export const REFUSAL_REASONS = [
  /** The record already carries this proposal id, and the proposal expects to replace that very record. */
  'proposal-id-reused',
  /** There is no record yet, and this is not a creation. */
  'not-created',
  'already-created',
  /** This kind is not for this proposer to ask. */
  'wrong-proposer',
  /** The store of the proposer, or of a member that would gain a role, is not the one registered for its worker. */
  'not-registered',
  /** Placement does not want a replica on this worker, or, on creation, wants others too. */
  'not-in-target',
  /** Under placement `local`, the partition belongs to another worker. */
  'not-the-owner',
  /** The next configuration is not one that this kind leads to. */
  'wrong-next',
  /** A worker would be in sync twice: the old store or incarnation has to leave before the new one joins. */
  'worker-already-in-sync',
  'too-many-members',
  /** Leaving would stop writes; the member stays until another replica is in sync. */
  'below-min-in-sync',
  /** minInSync is below 1, or above the number in sync, which would block writes. */
  'min-in-sync-out-of-range',
  /** The replica named by an operator may lack acknowledged writes, and the loss was not accepted. */
  'data-loss-not-accepted',
  /** Recovery must build on the newest version known, under a generation above all known. */
  'recovery-not-newest',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export type Decision =
  | { readonly answer: 'accepted'; readonly configuration: Configuration }
  /** This very proposal was accepted before and its record is still the current one. */
  | { readonly answer: 'already-accepted'; readonly configuration: Configuration }
  /** The record is another than expected. The proposer learns it and thinks again. */
  | { readonly answer: 'conflict'; readonly configuration: Configuration | undefined }
  /** Never acceptable on top of this record. */
  | { readonly answer: 'refused'; readonly reason: RefusalReason };

/**
 * What `minInSync` should be: half of the replicas that can be placed, rounded up (1 of 1, 1 of 2, 2 of 3, 3 of 5),
 * or less if the settings say so.
 */
export function minInSyncGoal(options: {
  replicationFactor: number;
  registeredWorkers: number;
  /** The most to ask for, from the settings; absent: no limit. */
  minInSyncMax?: number | undefined;
}): number {
  const placed = Math.min(options.replicationFactor, options.registeredWorkers);
  return Math.max(1, Math.min(Math.ceil(placed / 2), options.minInSyncMax ?? placed));
}

/** Decides about one proposal. `stored` is undefined if the partition has no record yet. */
export function decide(
  stored: Configuration | undefined,
  proposal: Proposal,
  context: DecisionContext,
): Decision {
  invariant(context.minInSyncGoal >= 1, 'the goal for minInSync is at least 1', {
    goal: context.minInSyncGoal,
  });
  const repeated = stored?.proposalId === proposal.proposalId;
  if (!isExpected(stored, proposal.expect)) {
    return stored !== undefined && repeated
      ? { answer: 'already-accepted', configuration: stored }
      : { answer: 'conflict', configuration: stored };
  }
  const reason = repeated ? 'proposal-id-reused' : refusal(stored, proposal, context);
  if (reason !== undefined) return { answer: 'refused', reason };
  const configuration = successor(stored, proposal, context);
  assertLegal(stored, configuration);
  return { answer: 'accepted', configuration };
}

function isExpected(stored: Configuration | undefined, expect: Ver | null): boolean {
  if (stored === undefined || expect === null) return stored === undefined && expect === null;
  return sameVer(stored, expect);
}

function refusal(
  stored: Configuration | undefined,
  proposal: Proposal,
  context: DecisionContext,
): RefusalReason | undefined {
  if (proposal.next.insync.length > MEMBERS_MAX) return 'too-many-members';
  if (workerListedTwice(proposal.next.insync) !== undefined) return 'worker-already-in-sync';
  if (!hasMember(proposal.next.insync, proposal.next.primary)) return 'wrong-next';
  const { owner } = context;
  if (owner !== undefined && proposal.next.insync.some(({ worker }) => worker !== owner))
    return 'not-the-owner';
  if (proposal.kind === 'create')
    return stored === undefined ? refusalToCreate(proposal, context) : 'already-created';
  if (proposal.kind === 'recover') return refusalToRecover(stored, proposal);
  if (stored === undefined) return 'not-created';
  switch (proposal.kind) {
    case 'force':
      return refusalToForce(stored, proposal, context);
    case 'policy':
      if (isMember(proposal.by)) return 'wrong-proposer';
      if (!sameRoles(proposal.next, stored)) return 'wrong-next';
      return isMinInSyncAllowed(proposal.next.minInSync, stored) ? undefined : 'min-in-sync-out-of-range';
    case 'promote':
    case 'restart':
    case 'remove':
    case 'leave':
    case 'add':
    case 'handover':
      return refusalToReplica(stored, proposal, context);
    default:
      return unreachable(proposal);
  }
}

function refusalToCreate({ next, by }: CreateProposal, context: DecisionContext): RefusalReason | undefined {
  if (by !== 'master') return 'wrong-proposer';
  const wanted = context.target?.replicas ?? [];
  if (next.insync.length !== wanted.length) return 'not-in-target';
  if (!next.insync.every((member) => wanted.includes(member.worker))) return 'not-in-target';
  return next.insync.every((member) => isRegistered(member, context)) ? undefined : 'not-registered';
}

function refusalToReplica(
  stored: Configuration,
  { kind, next, by }: ReplicaProposal,
  context: DecisionContext,
): RefusalReason | undefined {
  if (!isMember(by) || !hasMember(stored.insync, by)) return 'wrong-proposer';
  if (sameMember(by, stored.primary) !== (kind !== 'promote')) return 'wrong-proposer';
  if (!isRegistered(by, context)) return 'not-registered';
  const left = without(stored.insync, next.insync);
  const joined = without(next.insync, stored.insync);
  const samePrimary = sameMember(next.primary, stored.primary);
  switch (kind) {
    case 'promote':
      if (!sameMember(next.primary, by) || joined.length > 0) return 'wrong-next';
      return sameMembers(left, [stored.primary]) ? undefined : 'wrong-next';
    case 'restart':
      return sameRoles(next, stored) ? undefined : 'wrong-next';
    case 'remove':
      return samePrimary && joined.length === 0 && left.length > 0 ? undefined : 'wrong-next';
    case 'leave':
      if (!samePrimary || joined.length > 0 || left.length === 0) return 'wrong-next';
      return next.insync.length < stored.minInSync ? 'below-min-in-sync' : undefined;
    case 'add':
      if (!samePrimary || joined.length === 0) return 'wrong-next';
      // A proposal that puts a new incarnation in the place of the old one has both a joiner and a leaver.
      if (left.length > 0) return 'wrong-next';
      if (!joined.every((member) => context.target?.replicas.includes(member.worker))) return 'not-in-target';
      return joined.every((member) => isRegistered(member, context)) ? undefined : 'not-registered';
    case 'handover':
      if (samePrimary || !sameMembers(next.insync, stored.insync)) return 'wrong-next';
      return isRegistered(next.primary, context) ? undefined : 'not-registered';
    default:
      return unreachable(kind);
  }
}

function refusalToForce(
  stored: Configuration,
  { next, by, acceptDataLoss }: ForceProposal,
  context: DecisionContext,
): RefusalReason | undefined {
  if (by !== 'operator') return 'wrong-proposer';
  if (next.insync.length !== 1) return 'wrong-next';
  if (!isRegistered(next.primary, context)) return 'not-registered';
  const holdsEverything = hasMember(stored.insync, next.primary) || hasMember(stored.eligible, next.primary);
  return holdsEverything || acceptDataLoss ? undefined : 'data-loss-not-accepted';
}

function refusalToRecover(
  stored: Configuration | undefined,
  { next, by, base, gen }: RecoverProposal,
): RefusalReason | undefined {
  if (isMember(by)) return 'wrong-proposer';
  if (gen <= base.gen) return 'recovery-not-newest';
  if (!isWholeNumber(next.minInSync, { min: 1, max: MEMBERS_MAX })) return 'min-in-sync-out-of-range';
  if (stored === undefined) return undefined;
  if (compareVer(base, stored) < 0) return 'recovery-not-newest';
  return sameVer(base, stored) && !sameRoles(next, stored) ? 'wrong-next' : undefined;
}

/** The record to store. REQUIRES: the proposal was not refused. */
function successor(
  stored: Configuration | undefined,
  proposal: Proposal,
  context: DecisionContext,
): Configuration {
  const { kind, proposalId, by } = proposal;
  const primary = proposal.next.primary;
  const insync = ranked(stored?.insync ?? [], proposal.next.insync);
  const minInSync = minInSyncAfter(stored, proposal, context);
  const eligible = insync.length < minInSync ? eligibleAfter(stored, proposal) : [];
  return {
    ...versionOf(stored, proposal, context),
    primary,
    insync,
    eligible,
    minInSync,
    kind,
    proposalId,
    by,
  };
}

function versionOf(stored: Configuration | undefined, proposal: Proposal, context: DecisionContext): Ver {
  if (proposal.kind === 'recover') return { gen: proposal.gen, epoch: nextVer(proposal.base).epoch };
  return stored === undefined ? { gen: context.gen, epoch: epoch(1) } : nextVer(stored);
}

/** Members that stay keep their rank; those that join come after them. */
function ranked(current: readonly Member[], next: readonly Member[]): Member[] {
  const staying = current.filter((member) => hasMember(next, member));
  return [...staying, ...without(next, staying)];
}

function minInSyncAfter(
  stored: Configuration | undefined,
  proposal: Proposal,
  context: DecisionContext,
): number {
  if (proposal.kind === 'policy' || proposal.kind === 'recover') return proposal.next.minInSync;
  const goal = context.minInSyncGoal;
  const inSyncCount = proposal.next.insync.length;
  if (stored === undefined) return Math.min(goal, inSyncCount);
  return proposal.kind === 'add' && inSyncCount >= goal ? Math.max(stored.minInSync, goal) : stored.minInSync;
}

/**
 * Those outside a set that is too small to acknowledge anything, who still hold all that ever was acknowledged.
 * A member whose replica was wiped and joins again as a new incarnation holds nothing under its old name.
 */
function eligibleAfter(stored: Configuration | undefined, proposal: Proposal): Member[] {
  const before = stored === undefined ? [] : [...stored.eligible, ...stored.insync];
  const candidates = proposal.kind === 'recover' ? proposal.next.eligible : before;
  const isSuperseded = (member: Member): boolean =>
    proposal.next.insync.some((other) => other.worker === member.worker && other.store === member.store);
  const eligible = candidates.filter((member) => !isSuperseded(member));
  // Those that left last come last. Forgetting the oldest only takes a choice from the operator.
  return eligible.filter((member, i) => !hasMember(eligible.slice(0, i), member)).slice(-MEMBERS_MAX);
}

function assertLegal(before: Configuration | undefined, after: Configuration): void {
  const problem = problemOfConfiguration(after);
  invariant(problem === undefined, 'an accepted configuration is sound', { problem, after });
  if (before === undefined) return;
  invariant(isNewer(after, before), 'the version of a configuration only grows', { before, after });
  const mayBringIn = after.kind === 'add' || after.kind === 'recover' || after.kind === 'force';
  const isSubset = without(after.insync, before.insync).length === 0;
  invariant(mayBringIn || isSubset, 'only add, recover and force bring in members', { before, after });
}

function isMember(by: Proposer): by is Member {
  return typeof by !== 'string';
}

function isRegistered(member: Member, context: DecisionContext): boolean {
  return context.registered.get(member.worker) === member.store;
}

function isMinInSyncAllowed(minInSync: number, stored: Configuration): boolean {
  return isWholeNumber(minInSync, { min: 1, max: Math.max(stored.minInSync, stored.insync.length) });
}

function sameRoles(a: Roles, b: Roles): boolean {
  return sameMember(a.primary, b.primary) && sameMembers(a.insync, b.insync);
}
