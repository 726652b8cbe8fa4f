import { describe, expect, it } from '@jest/globals';
import { format } from 'oxfmt';
import { z } from 'zod';

import { optionRows, optionTable } from './help.js';
import { defineOptions, option, toggle } from './option-table.js';
import { parseOptions } from './parse.js';
import { choice, port } from './schemas.js';

const table = defineOptions({
  program: 'nest start worker --',
  summary: 'A diststore worker.',
  version: '1.2.3',
  options: {
    httpPort: option({
      schema: port,
      default: 5001,
      summary: 'Port of the HTTP API',
      group: 'Network',
      positional: true,
    }),
    redisPort: option({
      schema: port,
      defaultText: 'httpPort + 2000',
      summary: 'Port of the Redis protocol',
      group: 'Network',
    }),
    placement: option({
      schema: choice('hashed', 'local'),
      default: 'hashed',
      summary:
        'Whether the key decides where a value is kept (hashed | default), or the worker that was asked (local)',
      group: 'Data',
    }),
    masterUrl: option({
      schema: z.url().describe('a URL'),
      summary: 'Where the master answers',
      group: 'Network',
    }),
    fsync: toggle({ default: true, summary: 'Whether writes are synced', group: 'Data' }),
  },
});

describe('--help', () => {
  it('shows groups, aligned and wrapped, with what is allowed, default and variable', () => {
    expect(parseOptions(table, { argv: ['--help'], env: {} })).toEqual({
      kind: 'print',
      text: `A diststore worker.

Usage: nest start worker -- [http-port] [options]

Network:
  --http-port <port>   Port of the HTTP API
                       a port from 1 to 65535; default 5001; DISTSTORE_HTTP_PORT
  --redis-port <port>  Port of the Redis protocol
                       a port from 1 to 65535; default httpPort + 2000; DISTSTORE_REDIS_PORT
  --master-url <url>   Where the master answers
                       a URL; default none; DISTSTORE_MASTER_URL

Data:
  --placement <value>  Whether the key decides where a value is kept (hashed | default), or the
                       worker that was asked (local)
                       hashed or local; default hashed; DISTSTORE_PLACEMENT
  --[no-]fsync         Whether writes are synced
                       true or false; default true; DISTSTORE_FSYNC

Help:
  --help               Show this text
  --version            Show the version

A flag wins over its environment variable, which wins over the default.
`,
    });
  });
});

describe('the README table', () => {
  it('has a row for each option', () => {
    expect(optionRows(table)).toHaveLength(5);
    expect(optionRows(table)[0]).toEqual({
      key: 'httpPort',
      group: 'Network',
      flag: '--http-port <port>',
      env: 'DISTSTORE_HTTP_PORT',
      default: '5001',
      allowed: 'a port from 1 to 65535',
      summary: 'Port of the HTTP API',
    });
  });

  it('is laid out as the formatter leaves it, so that README and table can be compared as text', async () => {
    const markdown = optionTable(table);
    expect((await format('options.md', markdown)).code).toBe(`${markdown}\n`);
  });
});
