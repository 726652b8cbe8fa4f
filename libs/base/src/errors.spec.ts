import { describe, expect, it } from '@jest/globals';

import { ERRORS, isStoreError, StoreError } from './errors.js';

describe('StoreError', () => {
  it('carries code, facts and cause, and takes retryable from the table', () => {
    const cause = new Error('ENOSPC');
    const error = new StoreError('disk-full', 'nothing left', { cause, facts: { freeBytes: 0 } });
    expect(error).toMatchObject({ code: 'disk-full', retryable: true, facts: { freeBytes: 0 }, cause });
  });

  it('is recognised by its code, as after crossing a process', () => {
    const copy = Object.assign(new Error('x'), { name: 'StoreError', code: 'retry-later' });
    expect(isStoreError(copy, 'retry-later')).toBe(true);
    expect(isStoreError(copy, 'internal')).toBe(false);
    expect(isStoreError(Object.assign(new Error('x'), { name: 'StoreError', code: 'nonsense' }))).toBe(false);
    expect(isStoreError(new TypeError('x'))).toBe(false);
  });
});

describe('the error table', () => {
  it.each(Object.entries(ERRORS))(
    '%s is kebab-case, has a 4xx or 5xx status and whole sentences',
    (code, kind) => {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(kind.status).toBeGreaterThanOrEqual(400);
      expect(kind.title).toMatch(/\.$/);
      expect(kind.remedy).toMatch(/\.$/);
    },
  );
});
