/**
 * The guard at the door: which process may act as which worker.
 *
 * A worker's index is only a name. What the replication protocol trusts is a store: it relies on a store never
 * forgetting what it once made durable. Two accidents break that, and both are caught here.
 *
 * - Two processes with one index: a second store asks to be let in while the first is alive. Refused. Once the first
 *   is gone, a new store is welcome, but as an empty one; it never counts as the old store.
 * - A disk that was rolled back (a restored copy, a machine snapshot): every start of a worker durably raises the
 *   boot counter in its store, and draws a nonce, before it talks to anybody. So a boot number seen before means a store
 *   that forgot. Refused, unless the nonce is the same too: then it is the very same process asking again, because an
 *   answer was lost or the master restarted. Each start that is refused raises the counter as well, until it is beyond
 *   what is known here. Therefore a store remembers its starts since the last one that was welcomed, and has to have
 *   been through the very one that is known here.
 *
 * Boot numbers are compared only within one store. Stores are ordered by registration number: whichever of a
 * worker's stores registered last is the current one.
 */
import { invariant } from '@diststore/base';

import type { StoreId } from './ids.js';

export interface StoreRegistration {
  readonly store: StoreId;
  /** The highest boot number this store came with. */
  readonly maxBoot: number;
  /** Random, chosen at its start by the process that came with `maxBoot`. */
  readonly nonce: string;
  /** From a counter of the cluster; higher means registered as the current store later. */
  readonly number: number;
}

/** What is kept about one worker index. */
export interface WorkerRegistration {
  readonly current: StoreRegistration;
  /** Stores that had this index before, latest first, so that an old disk that returns is judged by its own boots. */
  readonly former: readonly StoreRegistration[];
}

/**
 * How many former stores are remembered. One is added each time a worker's disk is replaced; beyond the limit the
 * oldest is forgotten, and would be taken for a new store if it ever came back.
 */
export const FORMER_STORES_MAX = 16;

/** A start of a process on a store: the boot number that it made durable, and what it drew. */
export interface StoreStart {
  readonly boot: number;
  readonly nonce: string;
}

export interface RegistrationRequest extends StoreStart {
  readonly store: StoreId;
  /** Starts of the store before this one, oldest first: the last that it knows was welcomed, and all since. */
  readonly earlier: readonly StoreStart[];
}

export type Welcome =
  /** The first store of this index. */
  | 'new-worker'
  /** Another store than before: it starts empty, its replicas learn. */
  | 'new-store'
  /** A known store after a restart, or after another store had its index in between. */
  | 'returning'
  /** The very same process again; the registration is unchanged. */
  | 'same-process';

export type Admission =
  | { readonly welcome: Welcome; readonly registration: WorkerRegistration }
  /** `index-in-use`: another store holds this index and is alive. `disk-rolled-back`: see the head of this file. */
  | { readonly refused: 'index-in-use' | 'disk-rolled-back' };

/**
 * Decides whether a process may register, and what to store if so. Changes nothing.
 *
 * @param known what is stored about this index, undefined if nothing is.
 * @param options.isCurrentLive whether the current registration is heard from. Only asked about another store: a
 *   restarted process is let in at once, because its database excludes a second process by itself.
 * @param options.nextNumber the registration number to give, above all given so far.
 */
export function admit(
  known: WorkerRegistration | undefined,
  request: RegistrationRequest,
  options: { isCurrentLive: boolean; nextNumber: number },
): Admission {
  const { store, boot: maxBoot, nonce } = request;
  const admitted = { store, maxBoot, nonce, number: options.nextNumber };
  if (known === undefined) return { welcome: 'new-worker', registration: { current: admitted, former: [] } };
  const { current, former } = known;
  invariant(options.nextNumber > current.number, 'registration numbers grow', {
    ...options,
    current: current.number,
  });

  if (current.store === store) {
    const how = recognise(current, request);
    if (how === 'disk-rolled-back') return { refused: how };
    if (how === 'same-process') return { welcome: how, registration: known };
    return { welcome: how, registration: { current: { ...admitted, number: current.number }, former } };
  }
  if (options.isCurrentLive) return { refused: 'index-in-use' };

  const earlier = former.find((registration) => registration.store === store);
  if (earlier !== undefined && recognise(earlier, request) === 'disk-rolled-back')
    return { refused: 'disk-rolled-back' };
  const others = [current, ...former.filter((registration) => registration !== earlier)];
  return {
    welcome: earlier === undefined ? 'new-store' : 'returning',
    registration: { current: admitted, former: others.slice(0, FORMER_STORES_MAX) },
  };
}

function recognise(
  { maxBoot, nonce }: StoreRegistration,
  request: RegistrationRequest,
): 'returning' | 'same-process' | 'disk-rolled-back' {
  const isKnown = (start: StoreStart): boolean => start.boot === maxBoot && start.nonce === nonce;
  if (isKnown(request)) return 'same-process';
  if (request.boot <= maxBoot) return 'disk-rolled-back';
  // A later start has been welcomed than is known here: not the disk is old, but this master's data.
  const oldest = request.earlier[0] ?? request;
  return oldest.boot > maxBoot || request.earlier.some(isKnown) ? 'returning' : 'disk-rolled-back';
}
