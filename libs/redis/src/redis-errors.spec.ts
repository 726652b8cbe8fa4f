import { describe, expect, it } from '@jest/globals';

import { askError, invalidExpireError, movedError, wrongArityError } from './redis-errors.js';
import * as errors from './redis-errors.js';

describe('Redis errors', () => {
  it('redirects name slot and address, IPv6 unbracketed', () => {
    expect(movedError({ slot: 3999, host: '127.0.0.1', port: 7001 }).text).toBe('MOVED 3999 127.0.0.1:7001');
    expect(askError({ slot: 0, host: '::1', port: 7002 }).text).toBe('ASK 0 ::1:7002');
  });

  it('name the command in full', () => {
    expect(wrongArityError('client|setname').text).toBe(
      "ERR wrong number of arguments for 'client|setname' command",
    );
    expect(invalidExpireError('setex').text).toBe("ERR invalid expire time in 'setex' command");
  });

  it('are one line that begins with a prefix in capitals', () => {
    for (const value of Object.values(errors)) {
      if (typeof value !== 'function') expect(value.text).toMatch(/^[A-Z]+ [^\r\n]+$/);
    }
  });
});
