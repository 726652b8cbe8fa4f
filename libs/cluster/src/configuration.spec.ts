import { describe, expect, it } from '@jest/globals';

import { configuration, member, members, ver } from '../test/fixtures.js';
import {
  hasEnoughInSync,
  problemOfConfiguration,
  sameConfiguration,
  secondaries,
  startsWithoutWaiting,
} from './configuration.js';
import type { Configuration } from './configuration.js';
import { proposalId } from './ids.js';
import { MEMBERS_MAX } from './member.js';
import { compareVer, isNewer, nextVer, sameVer } from './ver.js';

describe('versions', () => {
  it('are compared by generation first, then by epoch', () => {
    const ascending = [ver(1, 1), ver(1, 2), ver(1, 10), ver(2, 1), ver(2, 11), ver(3, 2)];
    ascending.forEach((a, i) => {
      ascending.forEach((b, j) => {
        expect(Math.sign(compareVer(a, b))).toBe(Math.sign(i - j));
        expect(isNewer(a, b)).toBe(i > j);
        expect(sameVer(a, b)).toBe(i === j);
      });
    });
  });

  it('the next one is the next epoch of the same generation', () => {
    expect(nextVer(ver(3, 7))).toEqual(ver(3, 8));
  });
});

describe('a configuration', () => {
  const many = members(...Array.from({ length: MEMBERS_MAX + 1 }, (_, i) => i + 1));
  it.each<[string, Partial<Configuration>]>([
    ['nobody is in sync', { insync: [], primary: member(1) }],
    ['more than 27 members are in sync', { insync: many }],
    ['worker 2 is in sync twice', { insync: [...members(1, 2), member(2, { incarnation: 2 })] }],
    ['the primary, on worker 4, is not in sync', { primary: member(4) }],
    ['the primary, on worker 1, is not in sync', { primary: member(1, { store: 2 }) }],
    ['the primary, on worker 1, is not in sync', { primary: member(1, { incarnation: 2 }) }],
    ['minInSync is not from 1 to 27', { minInSync: 0 }],
    ['minInSync is not from 1 to 27', { minInSync: 1.5 }],
    ['more than 27 members are eligible', { minInSync: 27, eligible: many }],
    ['members are eligible although enough are in sync', { minInSync: 3, eligible: members(4) }],
    ['worker 3 is both in sync and eligible', { minInSync: 4, eligible: members(3) }],
    ['a member is eligible twice', { minInSync: 4, eligible: members(4, 5, 4) }],
  ])('is unsound if %s', (problem, parts) => {
    expect(problemOfConfiguration(configuration(parts))).toBe(problem);
  });

  it('is sound otherwise, also below minInSync', () => {
    expect(problemOfConfiguration(configuration())).toBeUndefined();
    expect(problemOfConfiguration(configuration({ minInSync: 4, eligible: members(4, 5) }))).toBeUndefined();
  });

  it('admits writes while minInSync members are in sync', () => {
    expect(hasEnoughInSync(configuration({ minInSync: 3 }))).toBe(true);
    expect(hasEnoughInSync(configuration({ minInSync: 4 }))).toBe(false);
  });

  it('ranks secondaries in the order of the in-sync set', () => {
    expect(secondaries(configuration({ primary: member(2) }))).toEqual(members(1, 3));
  });

  it('lets a new primary serve at once only after a hand-over or a creation', () => {
    const kinds = [
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
    const atOnce = kinds.filter((kind) => startsWithoutWaiting(configuration({ kind })));
    expect(atOnce).toEqual(['create', 'handover']);
  });

  it('is the same as another only if every field is', () => {
    const one = configuration({ minInSync: 4, eligible: members(4) });
    expect(sameConfiguration(one, { ...one, insync: [...one.insync] })).toBe(true);
    const others: Partial<Configuration>[] = [
      ver(1, 6),
      ver(2, 5),
      { primary: member(2) },
      { insync: members(1, 3, 2) },
      { insync: members(1, 2) },
      { eligible: [] },
      { minInSync: 5 },
      { kind: 'remove' },
      { proposalId: proposalId('other') },
      { by: 'operator' },
      { by: member(1) },
    ];
    for (const parts of others) expect(sameConfiguration(one, { ...one, ...parts })).toBe(false);
    const byMember = { ...one, by: member(1) };
    expect(sameConfiguration(byMember, { ...one, by: member(1) })).toBe(true);
  });
});
