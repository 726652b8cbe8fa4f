/**
 * Proposals and the manager's decisions as JSON, between workers and masters. Versioned and read as strictly as the
 * records (record-codec.ts); a proposal that decodes may still be refused, by transition.ts.
 *
 *   proposal  {v, partition, expect: {gen, epoch} | null, proposalId, by, kind, next: {primary, insync, …}, …}
 *             with acceptDataLoss for `force`, gen and base for `recover`, next.minInSync for `policy` and `recover`,
 *             next.eligible for `recover`
 *   decision  {v, answer, configuration | reason}
 */
import { unreachable } from '@diststore/base';

import { CHANGE_KINDS } from './configuration.js';
import { isGeneration, isPartitionId, isProposalId } from './ids.js';
import { Fields, FORMAT_VERSION } from './json-fields.js';
import type { Json } from './json-fields.js';
import { MEMBERS_MAX } from './member.js';
import type { Proposal, ProposalBase } from './proposal.js';
import {
  decodeConfiguration,
  decodeMember,
  decodeProposer,
  decodeVer,
  encodeConfiguration,
  encodeMember,
  encodeProposer,
  encodeRoles,
  encodeVer,
  minInSyncIn,
  rolesIn,
} from './record-codec.js';
import { REFUSAL_REASONS } from './transition.js';
import type { Decision } from './transition.js';

const BASE_NAMES = ['partition', 'expect', 'proposalId', 'by', 'kind', 'next'];

/** REQUIRES: the next primary is among the next in-sync members. */
export function encodeProposal(proposal: Proposal): Json {
  const { partition, expect, proposalId, by, kind, next } = proposal;
  const base = {
    v: FORMAT_VERSION,
    partition,
    expect: expect === null ? null : encodeVer(expect),
    proposalId,
    by: encodeProposer(by),
    kind,
  };
  const roles = encodeRoles(next);
  switch (proposal.kind) {
    case 'force':
      return { ...base, next: roles, acceptDataLoss: proposal.acceptDataLoss };
    case 'policy':
      return { ...base, next: { ...roles, minInSync: proposal.next.minInSync } };
    case 'recover': {
      const { minInSync, eligible } = proposal.next;
      const all = { ...roles, minInSync, eligible: eligible.map(encodeMember) };
      return { ...base, gen: proposal.gen, base: encodeVer(proposal.base), next: all };
    }
    case 'create':
    case 'promote':
    case 'restart':
    case 'remove':
    case 'leave':
    case 'add':
    case 'handover':
      return { ...base, next: roles };
    default:
      return unreachable(proposal);
  }
}

/** @throws StoreError bad-request */
export function decodeProposal(value: unknown, path = 'proposal'): Proposal {
  const fields = Fields.versioned(value, path, [...BASE_NAMES, 'acceptDataLoss', 'gen', 'base']);
  const kind = fields.oneOf('kind', CHANGE_KINDS);
  const refuseOthers = (names: readonly string[]): void =>
    void Fields.versioned(value, path, [...BASE_NAMES, ...names]);
  const base: ProposalBase = {
    partition: fields.take('partition', isPartitionId, 'a partition number'),
    expect: fields.nullable('expect', decodeVer),
    proposalId: fields.take('proposalId', isProposalId, 'a proposal id'),
    by: fields.nested('by', decodeProposer),
  };
  switch (kind) {
    case 'force':
      refuseOthers(['acceptDataLoss']);
      return {
        ...base,
        kind,
        next: fields.nested('next', decodeRoles),
        acceptDataLoss: fields.flag('acceptDataLoss'),
      };
    case 'policy':
      refuseOthers([]);
      return {
        ...base,
        kind,
        next: fields.nested('next', (next, at) => {
          const roles = new Fields(next, at, ['primary', 'insync', 'minInSync']);
          return { ...rolesIn(roles), minInSync: minInSyncIn(roles) };
        }),
      };
    case 'recover':
      refuseOthers(['gen', 'base']);
      return {
        ...base,
        kind,
        gen: fields.take('gen', isGeneration, 'a whole number from 1'),
        base: fields.nested('base', decodeVer),
        next: fields.nested('next', (next, at) => {
          const roles = new Fields(next, at, ['primary', 'insync', 'minInSync', 'eligible']);
          const eligible = roles.list('eligible', MEMBERS_MAX, decodeMember);
          return { ...rolesIn(roles), minInSync: minInSyncIn(roles), eligible };
        }),
      };
    case 'create':
    case 'promote':
    case 'restart':
    case 'remove':
    case 'leave':
    case 'add':
    case 'handover':
      refuseOthers([]);
      return { ...base, kind, next: fields.nested('next', decodeRoles) };
    default:
      return unreachable(kind);
  }
}

function decodeRoles(value: unknown, path: string): ReturnType<typeof rolesIn> {
  return rolesIn(new Fields(value, path, ['primary', 'insync']));
}

export function encodeDecision(decision: Decision): Json {
  const { answer } = decision;
  if (answer === 'refused') return { v: FORMAT_VERSION, answer, reason: decision.reason };
  const { configuration } = decision;
  const encoded = configuration === undefined ? null : encodeConfiguration(configuration);
  return { v: FORMAT_VERSION, answer, configuration: encoded };
}

/** @throws StoreError bad-request */
export function decodeDecision(value: unknown, path = 'decision'): Decision {
  const either = Fields.versioned(value, path, ['answer', 'configuration', 'reason']);
  const answer = either.oneOf('answer', ['accepted', 'already-accepted', 'conflict', 'refused']);
  const fields = Fields.versioned(value, path, ['answer', answer === 'refused' ? 'reason' : 'configuration']);
  switch (answer) {
    case 'accepted':
    case 'already-accepted':
      return { answer, configuration: fields.nested('configuration', decodeConfiguration) };
    case 'conflict':
      return { answer, configuration: fields.nullable('configuration', decodeConfiguration) ?? undefined };
    case 'refused':
      return { answer, reason: fields.oneOf('reason', REFUSAL_REASONS) };
    default:
      return unreachable(answer);
  }
}
