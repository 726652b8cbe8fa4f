import { describe, expect, it } from '@jest/globals';

import { normalTarget, pathOf, queryOf } from './request-target.js';

describe('normalTarget', () => {
  it.each([
    ['/a/b?c=d', '/a/b?c=d'],
    ['//a/../b%2F', '//a/../b%2F'],
    ['/a#b', '/a'],
    ['/a?b#c?d', '/a?b'],
    ['http://host:1/a?b', '/a?b'],
    ['HTTPS://host/a#b', '/a'],
    ['http://host', '/'],
    ['http://host?b', '/?b'],
    ['*', '*'],
    ['', '/'],
  ])('%s becomes %s', (target, normal) => {
    expect(normalTarget(target)).toBe(normal);
  });
});

describe('pathOf and queryOf', () => {
  it('part a target at the first question mark', () => {
    expect([pathOf('/a?b?c'), queryOf('/a?b?c')]).toEqual(['/a', 'b?c']);
    expect([pathOf('/a'), queryOf('/a')]).toEqual(['/a', '']);
  });
});
