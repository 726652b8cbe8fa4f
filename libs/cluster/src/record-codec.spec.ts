import { describe, expect, it } from '@jest/globals';
import { isStoreError } from '@diststore/base';
import fc from 'fast-check';

import { configuration, member, members, storeAt, target, ver } from '../test/fixtures.js';
import { CHANGE_KINDS } from './configuration.js';
import type { Configuration, Proposer } from './configuration.js';
import { generation, partitionId, proposalId } from './ids.js';
import type { Member } from './member.js';
import { decodeDecision, decodeProposal, encodeDecision, encodeProposal } from './proposal-codec.js';
import type { Proposal } from './proposal.js';
import {
  decodeConfiguration,
  decodeMember,
  decodeRegistration,
  decodeTarget,
  encodeConfiguration,
  encodeMember,
  encodeRegistration,
  encodeTarget,
} from './record-codec.js';
import { admit } from './registration.js';
import { REFUSAL_REASONS } from './transition.js';

/** Through text and back, as on any wire. */
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

const someMember: fc.Arbitrary<Member> = fc
  .record({
    worker: fc.integer({ min: 1, max: 999 }),
    store: fc.integer({ min: 1, max: 9 }),
    incarnation: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ worker, ...rest }) => member(worker, rest));
const someMembers = (lengths: { minLength: number; maxLength: number }) =>
  fc.uniqueArray(someMember, { ...lengths, selector: ({ worker }) => worker });
const someVer = fc
  .record({ gen: fc.integer({ min: 1, max: 2 ** 40 }), epoch: fc.integer({ min: 1, max: 2 ** 40 }) })
  .map(({ gen, epoch }) => ver(gen, epoch));
const someProposer: fc.Arbitrary<Proposer> = fc.oneof(
  someMember,
  fc.constantFrom('master' as const, 'operator' as const),
);

/** Any sound configuration. */
const someConfiguration: fc.Arbitrary<Configuration> = fc
  .record({
    version: someVer,
    all: someMembers({ minLength: 1, maxLength: 12 }),
    insyncCount: fc.nat(),
    primary: fc.nat(),
    isLow: fc.boolean(),
    kind: fc.constantFrom(...CHANGE_KINDS),
    id: fc.stringMatching(/^[0-9A-Za-z_-]{1,64}$/),
    by: someProposer,
  })
  .map(({ version, all, insyncCount, primary, isLow, kind, id, by }) => {
    const insync = all.slice(0, 1 + (insyncCount % all.length));
    return {
      ...version,
      primary: insync[primary % insync.length] as Member,
      insync,
      eligible: isLow ? all.slice(insync.length) : [],
      minInSync: isLow ? insync.length + 1 : 1,
      kind,
      proposalId: proposalId(id),
      by,
    };
  });

/** A proposal of any kind about a configuration. */
const someProposal: fc.Arbitrary<Proposal> = fc
  .record({ record: someConfiguration, next: someConfiguration, exists: fc.boolean(), flag: fc.boolean() })
  .map(({ record, next: { primary, insync, eligible, minInSync }, exists, flag }) => {
    const base = {
      partition: partitionId(record.epoch % 16_384),
      expect: exists ? ver(record.gen, record.epoch) : null,
      proposalId: record.proposalId,
      by: record.by,
    };
    const next = { primary, insync };
    if (record.kind === 'force') return { ...base, kind: 'force', next, acceptDataLoss: flag };
    if (record.kind === 'policy') return { ...base, kind: 'policy', next: { ...next, minInSync } };
    if (record.kind !== 'recover') return { ...base, kind: record.kind, next };
    const all = { ...next, minInSync, eligible };
    return { ...base, kind: 'recover', gen: generation(record.gen), base: ver(1, record.epoch), next: all };
  });

describe('a member', () => {
  it('is one text', () => {
    expect(encodeMember(member(7))).toBe(`7/${member(7).store}/${member(7).incarnation}`);
    expect(decodeMember(encodeMember(member(7)), 'member')).toEqual(member(7));
  });

  const good = encodeMember(member(7));
  it.each([
    good.replace('7/', '07/'),
    good.replace('7/', '1000/'),
    good.replace('7/', '/'),
    `${good}/`,
    `${good}/x`,
    ` ${good}`,
    good.toUpperCase(),
    '',
    '7',
    7,
    null,
    [good],
  ])('is not %j', (malformed) => {
    expect(() => decodeMember(malformed, 'by')).toThrow('by is not worker/store/incarnation');
  });
});

describe('a configuration', () => {
  const good = encodeConfiguration(configuration({ by: member(1) }));

  it('has the documented form, which is persisted', () => {
    expect(good).toEqual({
      v: 1,
      gen: 1,
      epoch: 5,
      primary: 0,
      insync: members(1, 2, 3).map(encodeMember),
      eligible: [],
      minInSync: 1,
      kind: 'add',
      proposalId: 'stored',
      by: encodeMember(member(1)),
    });
  });

  it('any sound one survives the wire', () => {
    fc.assert(
      fc.property(someConfiguration, (one) => {
        expect(decodeConfiguration(overTheWire(encodeConfiguration(one)))).toEqual(one);
      }),
    );
  });

  it('of three replicas takes about 300 bytes', () => {
    expect(JSON.stringify(good).length).toBeLessThan(350);
  });

  it.each<[string, Record<string, unknown>]>([
    ['configuration.v is not 1, the only version known here', { v: 2 }],
    ['configuration.v is not 1, the only version known here', { v: '1' }],
    ['configuration has an unknown field, "more"', { more: 1 }],
    ['configuration.gen is not a whole number from 1', { gen: 0 }],
    ['configuration.epoch is not a whole number from 1', { epoch: 1.5 }],
    ['configuration.epoch is not a whole number from 1', { epoch: 2 ** 53 }],
    ['configuration.primary is not a whole number from 0 to 26', { primary: -1 }],
    ['configuration is refused: the primary is not in sync', { primary: 3 }],
    ['configuration.insync is not a list of at most 27', { insync: {} }],
    ['configuration.insync is not a list of at most 27', { insync: Array.from({ length: 28 }, () => 'x') }],
    ['configuration.insync[1] is not worker/store/incarnation', { insync: [encodeMember(member(1)), 'x'] }],
    ['configuration is refused: worker 1 is in sync twice', { insync: members(1, 1).map(encodeMember) }],
    ['configuration.eligible[0] is not worker/store/incarnation', { eligible: [null] }],
    [
      'configuration is refused: members are eligible although enough are in sync',
      { eligible: [encodeMember(member(4))] },
    ],
    ['configuration.minInSync is not a whole number from 1 to 27', { minInSync: 28 }],
    [`configuration.kind is not one of ${CHANGE_KINDS.join(', ')}`, { kind: 'rename' }],
    ['configuration.proposalId is not a proposal id', { proposalId: '' }],
    ['configuration.by is not worker/store/incarnation', { by: 'nobody' }],
  ])('%s', (reason, parts) => {
    expect(() => decodeConfiguration({ ...good, ...parts })).toThrow(reason);
  });

  it.each(Object.keys(good))('without %s is refused', (name) => {
    const parts = Object.fromEntries(Object.entries(good).filter(([other]) => other !== name));
    expect(() => decodeConfiguration(parts)).toThrow(`configuration.${name} is not`);
  });
});

describe('targets and registrations', () => {
  it('survive the wire', () => {
    const one = { ...target(3, 1, 2), rev: 7 };
    expect(decodeTarget(overTheWire(encodeTarget(one)))).toEqual(one);
    const first = admit(
      undefined,
      { store: storeAt(1), boot: 1, nonce: 'a', earlier: [] },
      { isCurrentLive: false, nextNumber: 1 },
    );
    const known = 'registration' in first ? first.registration : undefined;
    const second = admit(
      known,
      { store: storeAt(1, 2), boot: 1, nonce: 'b', earlier: [] },
      { isCurrentLive: false, nextNumber: 2 },
    );
    const registration = 'registration' in second ? second.registration : undefined;
    expect(registration?.former).toHaveLength(1);
    expect(registration && decodeRegistration(overTheWire(encodeRegistration(registration)))).toEqual(
      registration,
    );
  });

  it.each<[string, unknown]>([
    ['target is not an object', []],
    ['target.replicas[1] is not a worker index', { v: 1, rev: 1, replicas: [1, 0], preferredPrimary: 1 }],
    [
      'target is refused: the target names a worker twice',
      { v: 1, rev: 1, replicas: [1, 1], preferredPrimary: 1 },
    ],
    ['target.rev is not a whole number', { v: 1, rev: 0, replicas: [1], preferredPrimary: 1 }],
  ])('%s', (reason, malformed) => {
    expect(() => decodeTarget(malformed)).toThrow(reason);
  });

  it('a registration without its parts is refused', () => {
    expect(() => decodeRegistration({ v: 1, current: {}, former: [] })).toThrow(
      'registration.current.store is not a store id',
    );
    expect(() => decodeRegistration({ v: 1, former: [] })).toThrow('registration.current is not an object');
  });
});

describe('proposals and decisions', () => {
  it('any proposal survives the wire', () => {
    fc.assert(
      fc.property(someProposal, (proposal) => {
        expect(decodeProposal(overTheWire(encodeProposal(proposal)))).toEqual(proposal);
      }),
    );
  });

  it('every decision survives the wire', () => {
    for (const answer of ['accepted', 'already-accepted', 'conflict'] as const) {
      const decision = { answer, configuration: configuration() };
      expect(decodeDecision(overTheWire(encodeDecision(decision)))).toEqual(decision);
    }
    const nothing = { answer: 'conflict', configuration: undefined } as const;
    expect(decodeDecision(overTheWire(encodeDecision(nothing)))).toEqual(nothing);
    for (const reason of REFUSAL_REASONS) {
      const decision = { answer: 'refused', reason } as const;
      expect(decodeDecision(overTheWire(encodeDecision(decision)))).toEqual(decision);
    }
    expect(() => decodeDecision({ v: 1, answer: 'accepted', configuration: null })).toThrow(
      'decision.configuration is not an object',
    );
  });

  it('a proposal with the fields of another kind is refused', () => {
    const base = {
      partition: partitionId(0),
      expect: null,
      proposalId: proposalId('p'),
      by: 'operator' as const,
    };
    const next = { primary: member(1), insync: members(1) };
    const force = encodeProposal({ ...base, kind: 'force', next, acceptDataLoss: true });
    expect(() => decodeProposal({ ...force, kind: 'promote' })).toThrow(
      'proposal has an unknown field, "acceptDataLoss"',
    );
    expect(() => decodeProposal({ ...force, acceptDataLoss: 'yes' })).toThrow(
      'proposal.acceptDataLoss is not true or false',
    );
    expect(() => decodeProposal({ ...force, gen: 1 })).toThrow('proposal has an unknown field, "gen"');
    expect(() => decodeProposal({ ...force, kind: 'policy' })).toThrow('unknown field');
  });
});

describe('whatever arrives', () => {
  const good = [
    encodeConfiguration(configuration({ minInSync: 4, eligible: members(4) })),
    encodeTarget(target(1, 2)),
    encodeProposal({
      partition: partitionId(0),
      expect: ver(1, 5),
      proposalId: proposalId('p'),
      by: member(1),
      kind: 'recover',
      gen: generation(2),
      base: ver(1, 5),
      next: { primary: member(1), insync: members(1, 2), minInSync: 1, eligible: [] },
    }),
    encodeDecision({ answer: 'conflict', configuration: configuration() }),
    encodeRegistration({ current: { store: storeAt(1), maxBoot: 1, nonce: 'n', number: 1 }, former: [] }),
  ];
  const decoders = [decodeConfiguration, decodeTarget, decodeProposal, decodeDecision, decodeRegistration];

  const onlyDocumentedErrors = (value: unknown): void => {
    for (const decode of decoders) {
      try {
        decode(value);
      } catch (error) {
        if (!isStoreError(error, 'bad-request')) throw error;
      }
    }
  };

  it('any JSON is decoded or refused with the documented error', () => {
    fc.assert(fc.property(fc.jsonValue(), onlyDocumentedErrors), { numRuns: 500 });
  });

  it('so is a good record with any one field replaced by any JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.nat(), fc.jsonValue(), (record, which, value) => {
        const names = Object.keys(record);
        onlyDocumentedErrors({ ...record, [names[which % names.length] as string]: value });
      }),
      { numRuns: 1000 },
    );
  });

  it('nesting of any depth is refused without descending into it', () => {
    let deep: unknown = 0;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const record of good)
      for (const name of Object.keys(record)) onlyDocumentedErrors({ ...record, [name]: deep });
  });

  it('the reason names the field and never repeats what was sent at length', () => {
    const long = 'x'.repeat(100_000);
    for (const parts of [{ by: long }, { [long]: 1 }, { kind: long }, { proposalId: long }]) {
      try {
        decodeConfiguration({ ...good[0], ...parts });
        throw new Error('decoded');
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(200);
        expect((error as Error).message).toMatch(/^configuration/);
      }
    }
  });
});
