/** A sandbox of real processes for each test of a file, or for all of them. */
import { afterAll, afterEach, beforeAll, beforeEach, jest } from '@jest/globals';

import { Sandbox } from './sandbox.js';

/** Longer than any wait within a test, so that the wait fails, and says why, and not the test as a whole. */
const TEST_TIMEOUT_MS = 120_000;

/**
 * Gives the tests of a file (or describe block) a sandbox, one for `each` or one for `all`, and closes it after them,
 * also after failed ones.
 */
export function useSandbox(scope: 'each' | 'all'): () => Sandbox {
  let sandbox: Sandbox | undefined;
  const open = async (): Promise<void> => {
    sandbox = await Sandbox.open();
  };
  const close = async (): Promise<void> => {
    await sandbox?.close();
    sandbox = undefined;
  };
  jest.setTimeout(TEST_TIMEOUT_MS);
  if (scope === 'each') {
    beforeEach(open);
    afterEach(close, TEST_TIMEOUT_MS);
  } else {
    beforeAll(open);
    afterAll(close, TEST_TIMEOUT_MS);
  }
  return () => {
    if (sandbox === undefined) throw new Error('There is a sandbox only while tests run.');
    return sandbox;
  };
}
