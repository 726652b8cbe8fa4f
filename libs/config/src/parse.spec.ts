import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';

import { anyText } from '@diststore/testing';

import { defineOptions, option, toggle } from './option-table.js';
import type { ConfigOf } from './option-table.js';
import { parseOptions } from './parse.js';
import { choice, integer, port } from './schemas.js';

const table = defineOptions({
  program: 'nest start worker --',
  summary: 'A worker.',
  version: '1.2.3',
  options: {
    httpPort: option({ schema: port, default: 5001, summary: 'HTTP port', positional: true }),
    dataDir: option({
      schema: z.string().describe('a folder'),
      default: './data',
      summary: 'Where data goes',
    }),
    maxValueBytes: option({ schema: integer({ min: 0, max: 1000 }), default: 100, summary: 'Largest value' }),
    maxFrameBytes: option({ schema: integer({ min: 1 }), default: 200, summary: 'Largest frame' }),
    offset: option({ schema: integer({ min: -5 }), default: 0, summary: 'May be negative' }),
    placement: option({
      schema: choice('hashed', 'local'),
      default: 'hashed',
      summary: 'Where a value is kept',
    }),
    masterUrl: option({ schema: z.url().describe('a URL'), summary: 'The master' }),
    authToken: option({
      schema: z.string().min(8).describe('8 characters or more'),
      summary: 'Token',
      secret: true,
    }),
    fsync: toggle({ default: true, summary: 'Whether writes are synced' }),
  },
  check: (config) =>
    config.maxFrameBytes < config.maxValueBytes ? ['--max-frame-bytes is below --max-value-bytes'] : [],
  foreignEnv: ['DISTSTORE_WORKERS'],
});
type TestConfig = ConfigOf<typeof table>;

const defaults: TestConfig = {
  httpPort: 5001,
  dataDir: './data',
  maxValueBytes: 100,
  maxFrameBytes: 200,
  offset: 0,
  placement: 'hashed',
  masterUrl: undefined,
  authToken: undefined,
  fsync: true,
};

function parse(argv: readonly string[], env: Record<string, string> = {}) {
  return parseOptions(table, { argv, env });
}
function configOf(...input: Parameters<typeof parse>): TestConfig {
  const result = parse(...input);
  if (result.kind !== 'config') throw new Error(JSON.stringify(result));
  return result.config;
}
function problemsOf(...input: Parameters<typeof parse>): readonly string[] {
  const result = parse(...input);
  return result.kind === 'problems' ? result.problems : [];
}

describe('parseOptions: where a value comes from', () => {
  it('takes the defaults when nothing is given, in a frozen object', () => {
    const config = configOf([]);
    expect(config).toEqual(defaults);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('prefers flag over environment over default', () => {
    const env = { DISTSTORE_HTTP_PORT: '6000', DISTSTORE_MAX_VALUE_BYTES: '7' };
    expect(configOf(['--http-port=7000'], env)).toEqual({ ...defaults, httpPort: 7000, maxValueBytes: 7 });
  });

  it.each<[string[], Partial<TestConfig>]>([
    [['--http-port=7000'], { httpPort: 7000 }],
    [['--http-port', '7000'], { httpPort: 7000 }],
    [['7000'], { httpPort: 7000 }],
    [['--', '7000'], { httpPort: 7000 }],
    [['--http-port=1', '--http-port=2'], { httpPort: 2 }],
    [['--offset', '-5'], { offset: -5 }],
    [['--data-dir=a=b'], { dataDir: 'a=b' }],
    [['--data-dir=--odd'], { dataDir: '--odd' }],
    [['--data-dir', '-'], { dataDir: '-' }],
    [['--placement=local'], { placement: 'local' }],
    [['--no-fsync'], { fsync: false }],
    [['--fsync=false'], { fsync: false }],
    [['--no-fsync', '--fsync'], { fsync: true }],
    [['--fsync', '7000'], { fsync: true, httpPort: 7000 }],
  ])('reads %j', (argv, expected) => {
    expect(configOf(argv)).toEqual({ ...defaults, ...expected });
  });

  it.each(['0', 'no', 'off', 'FALSE'])('reads a toggle from the environment: %s', (text) => {
    expect(configOf([], { DISTSTORE_FSYNC: text }).fsync).toBe(false);
  });

  it('takes an empty environment variable as unset', () => {
    expect(configOf([], { DISTSTORE_HTTP_PORT: '' }).httpPort).toBe(5001);
  });

  it('does not judge a variable that a flag overrides', () => {
    expect(configOf(['--http-port=7000'], { DISTSTORE_HTTP_PORT: 'bad' }).httpPort).toBe(7000);
  });
});

describe('parseOptions: problems', () => {
  it('lists all of them at once, and shows them as text', () => {
    const result = parse(['--http-prot=1', '--max-value-bytes', '1001', '--fsync=maybe'], {
      DISTSTORE_PLACEMENT: 'somewhere',
      DISTSTORE_MASTER_URL: 'master',
    });
    expect(result).toEqual({
      kind: 'problems',
      problems: [
        'unknown flag "--http-prot"; did you mean --http-port?',
        '--max-value-bytes must be a whole number from 0 to 1000; it is "1001"',
        'DISTSTORE_PLACEMENT must be hashed or local; it is "somewhere"',
        'DISTSTORE_MASTER_URL must be a URL; it is "master"',
        '--fsync must be true or false; it is "maybe"',
      ],
      text: expect.stringMatching(
        /^Cannot start: 5 problems\.\n {2}unknown [^]*\nSee nest start worker -- --help\n$/,
      ),
    });
  });

  it.each([
    [['--http-port'], '--http-port needs a value: a port from 1 to 65535'],
    [['--http-port='], '--http-port needs a value: a port from 1 to 65535'],
    [['--http-port', '--fsync'], '--http-port needs a value: a port from 1 to 65535'],
    [['--http-port=0x1389'], '--http-port must be a port from 1 to 65535; it is "0x1389"'],
    [['--http-port=5e3'], '--http-port must be a port from 1 to 65535; it is "5e3"'],
    [['--http-port= 5'], '--http-port must be a port from 1 to 65535; it is " 5"'],
    [['--http-port=65536'], '--http-port must be a port from 1 to 65535; it is "65536"'],
    [['--max-frame-bytes=9007199254740993'], /^--max-frame-bytes must be a whole number, 1 or more; it is/],
    [['x\ny'], 'the argument must be a port from 1 to 65535; it is "x\\ny"'],
    [['1', '2'], 'unexpected argument "2"'],
    [['--http-port=1', '1'], '--http-port and the argument "1" set the same option; give one of them'],
    [['--no-fsync=no'], '--no-fsync takes no value; it got "no"'],
    [['--nothing-like-it', '7000'], 'unknown flag "--nothing-like-it"'],
    [['-x'], 'unknown flag "-x"'],
    [['--__proto__=1'], 'unknown flag "--__proto__"'],
    [['--httpPort', '1'], 'unknown flag "--httpPort"; did you mean --http-port?'],
    [['--no-http-port'], 'unknown flag "--no-http-port"; did you mean --http-port?'],
    [[`--data-dir=x`, `--placement=${'y'.repeat(1000)}`], /^--placement must be .* it is "y{100}…"$/],
  ])('%j', (argv, problem) => {
    expect(problemsOf(argv)).toEqual([
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    ]);
  });

  it('never repeats a secret', () => {
    expect(JSON.stringify(parse(['--auth-token=hunter2', '--auth-tokem', 'hunter2']))).not.toContain(
      'hunter2',
    );
  });

  it('checks relations once the values are allowed', () => {
    expect(problemsOf(['--max-frame-bytes=9'])).toEqual(['--max-frame-bytes is below --max-value-bytes']);
    expect(problemsOf(['--max-frame-bytes=9', '--http-port=x'])).toHaveLength(1);
  });
});

describe('parseOptions: variables of others', () => {
  it('warns of a stray variable, not of a known foreign one', () => {
    const env = { DISTSTORE_HTP_PORT: '1', DISTSTORE_WORKERS: '3', DISTSTORE_XYZ: '', HTTP_PORT: '2' };
    expect(parse([], env)).toMatchObject({
      kind: 'config',
      warnings: [
        'DISTSTORE_HTP_PORT is set but names no option; did you mean DISTSTORE_HTTP_PORT?',
        'DISTSTORE_XYZ is set but names no option',
      ],
    });
  });
});

describe('parseOptions: help and version', () => {
  it('answers instead of starting, whatever else is wrong', () => {
    expect(parse(['--bad', '--help'])).toEqual({
      kind: 'print',
      text: expect.stringContaining('Usage: nest start'),
    });
    expect(parse(['--http-port', '-h'])).toMatchObject({ kind: 'print' });
    expect(parse(['--version'])).toEqual({ kind: 'print', text: '1.2.3\n' });
  });

  it('leaves what follows -- alone', () => {
    expect(parse(['--', '--help'])).toMatchObject({ kind: 'problems' });
  });
});

describe('parseOptions: any input', () => {
  const flag = fc.constantFrom('http-port', 'data-dir', 'fsync', 'no-fsync', 'placement', 'help', 'no-such');
  const word = fc.oneof(
    anyText(),
    fc.constantFrom('--', '-', '', '5001', '-1', '__proto__', 'constructor'),
    flag.map((name) => `--${name}`),
    fc.tuple(flag, anyText()).map(([name, text]) => `--${name}=${text}`),
  );
  const env = fc.dictionary(
    fc.oneof(
      fc.string(),
      fc.constantFrom('DISTSTORE_HTTP_PORT', 'DISTSTORE_FSYNC', 'DISTSTORE_', 'DISTSTORE___PROTO__'),
    ),
    anyText(),
  );

  it('ends in an allowed configuration, a text, or at least one problem; nothing is thrown', () => {
    fc.assert(
      fc.property(fc.array(word), env, (argv, variables) => {
        const result = parse(argv, variables);
        if (result.kind === 'print') return;
        if (result.kind === 'problems') {
          expect(result.problems.length).toBeGreaterThan(0);
          // oxlint-disable-next-line no-control-regex -- What the user typed must not steer the terminal.
          expect(result.problems.join('')).not.toMatch(/[\u0000-\u001f]/);
          return;
        }
        expect(Object.keys(result.config)).toEqual(Object.keys(defaults));
        expect(result.config.httpPort).toBeGreaterThanOrEqual(1);
        expect(result.config.httpPort).toBeLessThanOrEqual(65535);
        expect(typeof result.config.fsync).toBe('boolean');
      }),
    );
  });

  it('reads back every configuration that is written as flags', () => {
    const config = fc.record({
      httpPort: fc.integer({ min: 1, max: 65535 }),
      dataDir: anyText({ minLength: 1 }),
      placement: fc.constantFrom('hashed' as const, 'local' as const),
      fsync: fc.boolean(),
    });
    fc.assert(
      fc.property(config, ({ httpPort, dataDir, placement, fsync }) => {
        const argv = [`--http-port=${httpPort}`, `--data-dir=${dataDir}`, `--placement=${placement}`];
        expect(configOf([...argv, fsync ? '--fsync' : '--no-fsync'])).toEqual({
          ...defaults,
          httpPort,
          dataDir,
          placement,
          fsync,
        });
      }),
    );
  });
});
