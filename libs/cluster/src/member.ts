/**
 * Who holds a copy: one incarnation of a replica, on one store, of one worker.
 *
 * The worker index alone names nobody. A worker that comes back with an empty disk has a new store, and a replica
 * that was wiped because its log failed a check has a new incarnation; neither holds what the old one promised to
 * hold, so neither may ever count as the old one. Two members are the same only if all three parts are equal.
 *
 * Lists of members are short (MEMBERS_MAX), so plain scans beat sets.
 */
import type { Incarnation, StoreId, WorkerIndex } from './ids.js';

export interface Member {
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  readonly incarnation: Incarnation;
}

/**
 * The most members an in-sync set may have: the largest replication factor (9) three times over. A set grows past
 * the replication factor only while replicas move, because the new one joins before the old one retires.
 */
export const MEMBERS_MAX = 27;

export function sameMember(a: Member, b: Member): boolean {
  return a.worker === b.worker && a.store === b.store && a.incarnation === b.incarnation;
}

export function hasMember(members: readonly Member[], wanted: Member): boolean {
  return members.some((member) => sameMember(member, wanted));
}

/** The member that this worker contributes, whichever its store and incarnation. */
export function memberOf(members: readonly Member[], worker: WorkerIndex): Member | undefined {
  return members.find((member) => member.worker === worker);
}

/** Those of `members` that are not in `dropped`, in the order of `members`. */
export function without(members: readonly Member[], dropped: readonly Member[]): Member[] {
  return members.filter((member) => !hasMember(dropped, member));
}

/** Whether both lists hold the same members, in whatever order. REQUIRES: neither holds one twice. */
export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((member) => hasMember(b, member));
}

/** A worker that appears twice, if there is one: a set may hold one incarnation per worker. */
export function workerListedTwice(members: readonly Member[]): WorkerIndex | undefined {
  return members.find((member, i) => members.findIndex((other) => other.worker === member.worker) !== i)
    ?.worker;
}
