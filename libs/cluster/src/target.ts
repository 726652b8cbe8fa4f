/**
 * Where the replicas of one partition should be. Placement writes targets, the primaries work towards them: they
 * bring the missing replicas in sync, then retire those not named here.
 *
 * A target never touches an epoch and decides nothing about who may serve; it may be wrong, old or changed at any
 * time without harm. It names workers, not members: which store and incarnation a worker contributes is found out
 * when it joins.
 */
import type { WorkerIndex } from './ids.js';

export const REPLICATION_FACTOR_MAX = 9;

export interface Target {
  /** Grows by one with every change of this partition's target, from 1. */
  readonly rev: number;
  readonly replicas: readonly WorkerIndex[];
  readonly preferredPrimary: WorkerIndex;
}

export type TargetOutcome =
  | { readonly answer: 'accepted'; readonly target: Target }
  | { readonly answer: 'conflict'; readonly target: Target | undefined }
  | { readonly answer: 'refused'; readonly reason: string };

/** Sets a target if it is the next revision of the stored one. Planning again from the stored one is always safe. */
export function setTarget(stored: Target | undefined, next: Target): TargetOutcome {
  const problem = problemOfTarget(next);
  if (problem !== undefined) return { answer: 'refused', reason: problem };
  if (next.rev !== (stored?.rev ?? 0) + 1) return { answer: 'conflict', target: stored };
  return { answer: 'accepted', target: next };
}

/** What is wrong with a target taken by itself, or undefined. */
export function problemOfTarget(target: Target): string | undefined {
  const { rev, replicas, preferredPrimary } = target;
  if (!Number.isSafeInteger(rev) || rev < 1) return 'the revision is not a whole number from 1';
  if (replicas.length === 0) return 'the target names no replica';
  if (replicas.length > REPLICATION_FACTOR_MAX)
    return `the target names more than ${REPLICATION_FACTOR_MAX} replicas`;
  if (new Set(replicas).size < replicas.length) return 'the target names a worker twice';
  if (!replicas.includes(preferredPrimary))
    return `the preferred primary, worker ${preferredPrimary}, is not a replica`;
  return undefined;
}

export function sameTarget(a: Target, b: Target): boolean {
  return (
    a.rev === b.rev &&
    a.preferredPrimary === b.preferredPrimary &&
    a.replicas.length === b.replicas.length &&
    a.replicas.every((worker, i) => worker === b.replicas[i])
  );
}
