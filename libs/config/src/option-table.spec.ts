import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { defineOptions, option, toggle } from './option-table.js';
import type { Options } from './option-table.js';
import { integer, port } from './schemas.js';

function define(options: Options) {
  return () => defineOptions({ program: 'x', summary: 'X.', version: '1', options });
}

describe('defineOptions', () => {
  it.each<[string, Options]>([
    ['an option key is camelCase', { http_port: option({ schema: port, summary: 'x' }) }],
    ['no two options share a flag', { help: toggle({ default: false, summary: 'x' }) }],
    [
      'no two options share a flag',
      { fsync: toggle({ default: true, summary: 'x' }), noFsync: option({ schema: port, summary: 'x' }) },
    ],
    ['a schema describes what it allows', { name: option({ schema: z.string(), summary: 'x' }) }],
    ['a default is allowed', { count: option({ schema: integer({ min: 1 }), default: 0, summary: 'x' }) }],
    [
      'at most one option is positional',
      {
        a: option({ schema: port, summary: 'x', positional: true }),
        b: option({ schema: port, summary: 'x', positional: true }),
      },
    ],
  ])('fails when the module loads unless %s', (mustHold, options) => {
    expect(define(options)).toThrow(mustHold);
  });

  it('accepts a list as default, which is typed with commas', () => {
    const hosts = z
      .string()
      .transform((text) => text.split(','))
      .describe('hosts, separated by commas');
    expect(define({ hosts: option({ schema: hosts, default: ['a', 'b'], summary: 'x' }) })).not.toThrow();
  });
});
