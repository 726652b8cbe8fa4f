import { describe, expect, it } from '@jest/globals';

import { editDistance, nearest } from './nearest.js';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
  ])('%j to %j is %i', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });
});

describe('nearest', () => {
  const flags = ['--http-port', '--data-dir', '--help'];

  it.each([
    ['--htp-port', '--http-port'],
    ['--datadir', '--data-dir'],
    ['--halp', '--help'],
    ['--http-port', '--http-port'],
  ])('takes %s for %s', (word, meant) => {
    expect(nearest(word, flags)).toBe(meant);
  });

  it.each(['--verbose', '', '-', 'x'.repeat(100_000)])('does not guess what is too far away', (word) => {
    expect(nearest(word, flags)).toBeUndefined();
  });
});
