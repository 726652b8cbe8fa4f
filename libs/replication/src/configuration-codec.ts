/**
 * Configurations as bytes, for the messages between replicas and for the row of kind 01. The master's JSON form is
 * another matter; this one is read from peers on every reconfiguration of every partition.
 *
 *     8 generation, 8 epoch, 1 kind, 1 minInSync, 1+n proposal id, proposer, 1+n*26 in sync, 1 position of the primary,
 *     1+n*26 eligible; a member is 2 worker, 16 store, 8 incarnation; a proposer one byte (0 master, 1 operator,
 *     2 a member follows).
 */
import {
  CHANGE_KINDS,
  isEpoch,
  isGeneration,
  isProposalId,
  isWorkerIndex,
  MEMBERS_MAX,
  problemOfConfiguration,
  sameMember,
} from '@diststore/cluster';
import type { Configuration, Incarnation, Member, Proposer, StoreId, Ver } from '@diststore/cluster';

import { Malformed } from './byte-codec.js';
import type { ByteReader, ByteWriter } from './byte-codec.js';

const BY_MASTER = 0;
const BY_OPERATOR = 1;
const BY_MEMBER = 2;
const MEMBER_BYTES = 2 + 16 + 8;

export function writeConfiguration(out: ByteWriter, configuration: Configuration): void {
  writeVer(out, configuration);
  out
    .u8(CHANGE_KINDS.indexOf(configuration.kind))
    .u8(configuration.minInSync)
    .ascii(configuration.proposalId);
  writeProposer(out, configuration.by);
  writeMembers(out, configuration.insync);
  out.u8(configuration.insync.findIndex((member) => sameMember(member, configuration.primary)));
  writeMembers(out, configuration.eligible);
}

/** @throws Malformed: the bytes are none, or no legal transition makes such a configuration. */
export function readConfiguration(input: ByteReader): Configuration {
  const ver = readVer(input);
  const kind = CHANGE_KINDS[input.u8()];
  const minInSync = input.u8();
  const proposalId = input.ascii();
  if (kind === undefined || !isProposalId(proposalId))
    throw new Malformed('a configuration of unknown kind or origin');
  const by = readProposer(input);
  const insync = readMembers(input);
  const primary = insync[input.u8()];
  if (primary === undefined) throw new Malformed('the primary is not in sync');
  const eligible = readMembers(input);
  const configuration = { ...ver, primary, insync, eligible, minInSync, kind, proposalId, by };
  const problem = problemOfConfiguration(configuration);
  if (problem !== undefined) throw new Malformed(problem);
  return configuration;
}

export function writeVer(out: ByteWriter, { gen, epoch }: Ver): void {
  out.u64(gen).u64(epoch);
}

export function readVer(input: ByteReader): Ver {
  const gen = input.u64();
  const epoch = input.u64();
  if (!isGeneration(gen) || !isEpoch(epoch)) throw new Malformed('an impossible version');
  return { gen, epoch };
}

export function writeMember(out: ByteWriter, { worker, store, incarnation }: Member): void {
  out.u16(worker).hex(store).hex(incarnation);
}

export function readMember(input: ByteReader): Member {
  const worker = input.u16();
  if (!isWorkerIndex(worker)) throw new Malformed('an impossible worker index');
  // Lower-case hex of the right length is all that these two types ask for.
  return { worker, store: input.hex(16) as StoreId, incarnation: input.hex(8) as Incarnation };
}

function writeMembers(out: ByteWriter, members: readonly Member[]): void {
  out.u8(members.length);
  for (const member of members) writeMember(out, member);
}

function readMembers(input: ByteReader): Member[] {
  const count = input.u8();
  if (count > MEMBERS_MAX || count * MEMBER_BYTES > input.left)
    throw new Malformed('a list of members does not fit');
  return Array.from({ length: count }, () => readMember(input));
}

function writeProposer(out: ByteWriter, by: Proposer): void {
  if (by === 'master') out.u8(BY_MASTER);
  else if (by === 'operator') out.u8(BY_OPERATOR);
  else writeMember(out.u8(BY_MEMBER), by);
}

function readProposer(input: ByteReader): Proposer {
  const kind = input.u8();
  if (kind === BY_MASTER) return 'master';
  if (kind === BY_OPERATOR) return 'operator';
  if (kind !== BY_MEMBER) throw new Malformed('an unknown proposer');
  return readMember(input);
}
