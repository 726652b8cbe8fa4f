import { describe, expect, it } from '@jest/globals';

import { target } from '../test/fixtures.js';
import { workerIndex } from './ids.js';
import { problemOfTarget, setTarget } from './target.js';

describe('a target', () => {
  it('is set if it is the next revision, the first one being 1', () => {
    const first = target(1, 2);
    expect(setTarget(undefined, first)).toEqual({ answer: 'accepted', target: first });
    const second = { ...target(2, 3), rev: 2 };
    expect(setTarget(first, second)).toEqual({ answer: 'accepted', target: second });
  });

  it('conflicts with a stored one it does not follow', () => {
    const stored = { ...target(1, 2), rev: 3 };
    for (const rev of [1, 3, 5]) {
      expect(setTarget(stored, { ...target(2, 3), rev })).toEqual({ answer: 'conflict', target: stored });
    }
    expect(setTarget(undefined, { ...target(1), rev: 2 })).toEqual({ answer: 'conflict', target: undefined });
  });

  it.each([
    ['the revision is not a whole number from 1', { ...target(1), rev: 0 }],
    ['the target names no replica', { ...target(1), replicas: [] }],
    ['the target names a worker twice', target(1, 2, 1)],
    ['the target names more than 9 replicas', target(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)],
    [
      'the preferred primary, worker 3, is not a replica',
      { ...target(1, 2), preferredPrimary: workerIndex(3) },
    ],
  ])('is refused if %s', (problem, unsound) => {
    expect(problemOfTarget(unsound)).toBe(problem);
    expect(setTarget(undefined, unsound)).toEqual({ answer: 'refused', reason: problem });
  });
});
