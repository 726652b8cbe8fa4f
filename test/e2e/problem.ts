/** What every error answer has in common. */
import { expect } from '@jest/globals';
import type { Answer } from '@diststore/testing';

/** A stack frame, or the path of a source file. */
const INTERNALS = /\bat .+:\d+:\d+|node_modules|\.[jt]s\b/;

/** @returns the problem's members, for what else a test wants to know of them. */
export function expectProblem(
  answer: Answer,
  expected: { status: number; code: string },
): Record<string, unknown> {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.status).toBe(expected.status);
  return expectProblemBody(answer.text, expected);
}

export function expectProblemBody(
  text: string,
  expected: { status: number; code: string },
): Record<string, unknown> {
  const problem = JSON.parse(text) as Record<string, unknown>;
  expect(problem).toMatchObject(expected);
  expect(problem).toEqual(
    expect.objectContaining({
      type: `urn:diststore:error:${expected.code}`,
      title: expect.stringMatching(/\w.*\.$/),
      detail: expect.stringMatching(/\w+ \w+/),
      retryable: expect.any(Boolean),
    }),
  );
  expect(text).not.toMatch(INTERNALS);
  return problem;
}
