/**
 * The records of the configuration manager as JSON: configurations, targets and registrations, for storage and for
 * the wire alike. Versioned; see json-fields.ts for how strictly they are read.
 *
 * A member is one text, `worker/store/incarnation`. A configuration names its primary by position among `insync`,
 * so that a primary out of sync cannot even be written down.
 *
 *   configuration  {v, gen, epoch, primary, insync, eligible, minInSync, kind, proposalId, by}
 *   target         {v, rev, replicas, preferredPrimary}
 *   registration   {v, current: {store, maxBoot, nonce, number}, former: [{…}]}
 *
 * Persisted, never rename a field; every decoder throws StoreError bad-request and nothing else.
 */
import { invariant } from '@diststore/base';

import { CHANGE_KINDS, problemOfConfiguration } from './configuration.js';
import type { Configuration, Proposer, Roles } from './configuration.js';
import { isEpoch, isGeneration, isIncarnation, isProposalId, isStoreId, isWorkerIndex } from './ids.js';
import { expectValue, Fields, FORMAT_VERSION } from './json-fields.js';
import type { Json } from './json-fields.js';
import { MEMBERS_MAX, sameMember } from './member.js';
import type { Member } from './member.js';
import { FORMER_STORES_MAX } from './registration.js';
import type { StoreRegistration, WorkerRegistration } from './registration.js';
import { problemOfTarget, REPLICATION_FACTOR_MAX } from './target.js';
import type { Target } from './target.js';
import type { Ver } from './ver.js';

export const NONCE_LENGTH_MAX = 64;
const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

export function encodeMember({ worker, store, incarnation }: Member): string {
  return `${worker}/${store}/${incarnation}`;
}

export function decodeMember(value: unknown, path: string): Member {
  // The longest is 3 + 32 + 16 characters and two slashes.
  const parts = typeof value === 'string' && value.length <= 53 ? value.split('/') : [];
  const [worker, store, incarnation, ...rest] = parts;
  const index = Number(worker);
  const isMember =
    isWorkerIndex(index) && String(index) === worker && isStoreId(store) && isIncarnation(incarnation);
  const member = isMember && rest.length === 0 ? { worker: index, store, incarnation } : undefined;
  return expectValue(
    member,
    path,
    (found): found is Member => found !== undefined,
    'worker/store/incarnation',
  );
}

export function encodeProposer(by: Proposer): string {
  return typeof by === 'string' ? by : encodeMember(by);
}

export function decodeProposer(value: unknown, path: string): Proposer {
  return value === 'master' || value === 'operator' ? value : decodeMember(value, path);
}

export function encodeVer({ gen, epoch }: Ver): Json {
  return { gen, epoch };
}

export function decodeVer(value: unknown, path: string): Ver {
  return verIn(new Fields(value, path, ['gen', 'epoch']));
}

export function verIn(fields: Fields): Ver {
  return {
    gen: fields.take('gen', isGeneration, 'a whole number from 1'),
    epoch: fields.take('epoch', isEpoch, 'a whole number from 1'),
  };
}

/** REQUIRES: the primary is in sync. */
export function encodeRoles({ primary, insync }: Roles): Json {
  const position = insync.findIndex((member) => sameMember(member, primary));
  invariant(position !== -1, 'the primary is in sync', { primary, insync });
  return { primary: position, insync: insync.map(encodeMember) };
}

export function rolesIn(fields: Fields): Roles {
  const insync = fields.list('insync', MEMBERS_MAX, decodeMember);
  const primary = insync[fields.wholeNumber('primary', { min: 0, max: MEMBERS_MAX - 1 })];
  if (primary === undefined) throw fields.refusal('the primary is not in sync');
  return { primary, insync };
}

export function minInSyncIn(fields: Fields): number {
  return fields.wholeNumber('minInSync', { min: 1, max: MEMBERS_MAX });
}

/** REQUIRES: the configuration is sound. */
export function encodeConfiguration(configuration: Configuration): Json {
  const { gen, epoch, eligible, minInSync, kind, proposalId, by } = configuration;
  return {
    v: FORMAT_VERSION,
    gen,
    epoch,
    ...encodeRoles(configuration),
    eligible: eligible.map(encodeMember),
    minInSync,
    kind,
    proposalId,
    by: encodeProposer(by),
  };
}

export function decodeConfiguration(value: unknown, path = 'configuration'): Configuration {
  const names = ['gen', 'epoch', 'primary', 'insync', 'eligible', 'minInSync', 'kind', 'proposalId', 'by'];
  const fields = Fields.versioned(value, path, names);
  const configuration = {
    ...verIn(fields),
    ...rolesIn(fields),
    eligible: fields.list('eligible', MEMBERS_MAX, decodeMember),
    minInSync: minInSyncIn(fields),
    kind: fields.oneOf('kind', CHANGE_KINDS),
    proposalId: fields.take('proposalId', isProposalId, 'a proposal id'),
    by: fields.nested('by', decodeProposer),
  };
  fields.require(problemOfConfiguration(configuration));
  return configuration;
}

export function encodeTarget({ rev, replicas, preferredPrimary }: Target): Json {
  return { v: FORMAT_VERSION, rev, replicas: [...replicas], preferredPrimary };
}

export function decodeTarget(value: unknown, path = 'target'): Target {
  const fields = Fields.versioned(value, path, ['rev', 'replicas', 'preferredPrimary']);
  const target = {
    rev: fields.wholeNumber('rev', { min: 1, max: COUNTER_MAX }),
    replicas: fields.list('replicas', REPLICATION_FACTOR_MAX, (worker, at) =>
      expectValue(worker, at, isWorkerIndex, 'a worker index'),
    ),
    preferredPrimary: fields.take('preferredPrimary', isWorkerIndex, 'a worker index'),
  };
  fields.require(problemOfTarget(target));
  return target;
}

export function encodeRegistration({ current, former }: WorkerRegistration): Json {
  return { v: FORMAT_VERSION, current: { ...current }, former: former.map((store) => ({ ...store })) };
}

export function decodeRegistration(value: unknown, path = 'registration'): WorkerRegistration {
  const fields = Fields.versioned(value, path, ['current', 'former']);
  return {
    current: fields.nested('current', decodeStoreRegistration),
    former: fields.list('former', FORMER_STORES_MAX, decodeStoreRegistration),
  };
}

function decodeStoreRegistration(value: unknown, path: string): StoreRegistration {
  const fields = new Fields(value, path, ['store', 'maxBoot', 'nonce', 'number']);
  return {
    store: fields.take('store', isStoreId, 'a store id'),
    maxBoot: fields.wholeNumber('maxBoot', { min: 1, max: COUNTER_MAX }),
    nonce: fields.text('nonce', NONCE_LENGTH_MAX),
    number: fields.wholeNumber('number', { min: 1, max: COUNTER_MAX }),
  };
}
