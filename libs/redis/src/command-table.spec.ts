import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { parseArgumentSyntax } from './argument-syntax.js';
import { defineCommand, type Command } from './command.js';
import { ALL_COMMANDS, CommandTable, keysOf } from './command-table.js';
import { keyAt } from './key-spec.js';

const table = new CommandTable();
const every: Command[] = ALL_COMMANDS.flatMap((command) => [command, ...command.subcommands]);
const args = (line: string) => line.split(' ').map((arg) => Buffer.from(arg));

/** What the request calls, or the error text. */
function resolved(line: string): string {
  const found = table.resolve(args(line));
  return found.kind === 'command' ? found.fullName : found.text;
}

describe('the descriptions', () => {
  type Row = [name: string, arity: number, flags: string[], first: number, last: number, step: number];
  // Captured from COMMAND INFO of redis-server 7.0.15.
  const golden = JSON.parse(
    readFileSync(new URL('../test/command-info.golden.json', import.meta.url), 'utf8'),
  ) as Row[];

  /** Where 7.2 differs from 7.0, whose answers are in the golden file. */
  const since72: Record<string, Partial<Record<'arity' | 'flags', unknown>>> = {
    wait: { flags: ['blocking'] },
    'command|getkeys': { arity: -3 },
    'command|getkeysandflags': { arity: -3 },
  };

  it.each(golden)('%s is as in Redis', (name, arity, flags, first, last, step) => {
    const command = table.findFull(Buffer.from(name));
    expect({
      ...command?.keyRange,
      arity: command?.arity,
      flags: [...(command?.flags ?? [])].sort(),
    }).toEqual({
      first,
      last,
      step,
      arity,
      flags,
      ...since72[name],
    });
  });

  it('cover what the golden file lacks only where Redis 7.0 lacks it', () => {
    const names = new Set(golden.map(([name]) => name));
    expect(
      every
        .map(({ fullName }) => fullName)
        .filter((name) => !names.has(name))
        .sort(),
    ).toEqual(['client|no-touch', 'client|setinfo', 'cluster|myshardid', 'delifeq', 'waitaof']);
  });

  it.each(every.map((command) => [command.fullName, command] as const))(
    '%s is consistent',
    (_name, command) => {
      const { arity, flags, categories, keys, keyRange, syntax, subcommands, summary, since, complexity } =
        command;
      expect(summary).toMatch(/^[A-Z].*\.$/);
      expect(complexity).toMatch(/^(O\(|Depends on)/);
      expect(since).toMatch(/^\d+\.\d+\.\d+$/);
      expect(flags.includes('write') && flags.includes('readonly')).toBe(false);
      expect(categories.includes('fast')).toBe(!categories.includes('slow'));

      const docs = parseArgumentSyntax(syntax ?? '');
      expect(docs.length > 0).toBe(syntax !== undefined);
      // The least number of arguments is the same in the syntax and in the arity.
      const names = command.fullName.includes('|') ? 2 : 1;
      const wordsMin = (doc: (typeof docs)[number]): number => {
        if (doc.optional) return 0;
        const token = doc.token === undefined || doc.type === 'pure-token' ? 0 : 1;
        const inner = doc.arguments.map(wordsMin);
        if (doc.type === 'oneof') return token + Math.min(...inner);
        return token + (doc.type === 'block' ? inner.reduce((sum, words) => sum + words, 0) : 1);
      };
      if (subcommands.length === 0) {
        expect(names + docs.reduce((sum, doc) => sum + wordsMin(doc), 0)).toBe(Math.abs(arity));
      }
      const isOpen = JSON.stringify(docs).match(/"(optional|multiple)":true/) !== null;
      if (subcommands.length === 0 && isOpen) expect(arity).toBeLessThan(0);

      // Every key is within the least number of arguments, and named as a key in the syntax.
      expect(keyRange.first === 0).toBe(keys.length === 0);
      expect(JSON.stringify(docs).includes('"key"')).toBe(
        keys.length > 0 || command.fullName === 'cluster|keyslot',
      );
      if (keys.length > 0)
        expect(keysOf(command, Array<Buffer>(Math.abs(arity)).fill(Buffer.from('1')))).toBeDefined();
      if (flags.includes('write') && command.group !== 'server' && command.group !== 'scripting') {
        expect(keys.length).toBeGreaterThan(0);
      }
      if (subcommands.length > 0)
        expect(subcommands.some((sub) => sub.name === 'help' && sub.arity === 2)).toBe(true);
    },
  );

  it('are refused when they contradict themselves', () => {
    const spec = { name: 'x', arity: 2, summary: 'X.', since: '1.0.0', complexity: 'O(1)' };
    expect(() => defineCommand({ ...spec, keys: [keyAt(2)] }, 'string')).toThrow(
      'the arity reaches the first key',
    );
    expect(() => defineCommand({ ...spec, arity: 0 }, 'string')).toThrow('a command has a name');
    const subcommands = [{ ...spec, subcommands: [spec] }];
    expect(() => defineCommand({ ...spec, subcommands }, 'string')).toThrow('containers are not nested');
  });
});

describe('resolving a request', () => {
  it.each<[string, string]>([
    ['get k', 'get'],
    ['GeT k', 'get'],
    ['PING', 'ping'],
    ['client SETNAME x', 'client|setname'],
    ['COMMAND', 'command'],
    ['command docs', 'command|docs'],
  ])('%s', (line, fullName) => {
    expect(resolved(line)).toBe(fullName);
  });

  // Every text was observed on redis-server 7.
  it.each<[string, string]>([
    ['get', "ERR wrong number of arguments for 'get' command"],
    ['GET a b', "ERR wrong number of arguments for 'get' command"],
    ['mset a', "ERR wrong number of arguments for 'mset' command"],
    ['client', "ERR wrong number of arguments for 'client' command"],
    ['CLIENT SetName', "ERR wrong number of arguments for 'client|setname' command"],
    ['foo', "ERR unknown command 'foo', with args beginning with: "],
    ['foo a b', "ERR unknown command 'foo', with args beginning with: 'a' 'b' "],
    ['client fOO a', "ERR unknown subcommand 'fOO'. Try CLIENT HELP."],
    [`client ${'x'.repeat(200)}`, `ERR unknown subcommand '${'x'.repeat(128)}'. Try CLIENT HELP.`],
    [`${'f'.repeat(200)} a`, `ERR unknown command '${'f'.repeat(128)}', with args beginning with: 'a' `],
    [
      `foo ${'a'.repeat(200)} b`,
      `ERR unknown command 'foo', with args beginning with: '${'a'.repeat(128)}' `,
    ],
    [
      `foo ${'a'.repeat(100)} ${'b'.repeat(100)} c`,
      `ERR unknown command 'foo', with args beginning with: '${'a'.repeat(100)}' '${'b'.repeat(25)}' `,
    ],
    ['f\0o a\0b', "ERR unknown command 'f', with args beginning with: 'a' "],
  ])('%j', (line, text) => {
    expect(resolved(line)).toBe(text);
  });
});

describe('keys of a request', () => {
  it.each<[string, string[]]>([
    ['GET k', ['k']],
    ['SET k v EX 10', ['k']],
    ['DEL a b', ['a', 'b']],
    ['MSET a 1 b 2', ['a', 'b']],
    ['RENAME a b', ['a', 'b']],
    ['COPY a b REPLACE', ['a', 'b']],
    ['BITOP AND d a b', ['d', 'a', 'b']],
    ['LCS a b LEN', ['a', 'b']],
    ['OBJECT ENCODING k', ['k']],
    ['MEMORY USAGE k SAMPLES 5', ['k']],
    ['PING', []],
    ['CLUSTER KEYSLOT k', []],
  ])('%s', (line, expected) => {
    const command = table.resolve(args(line));
    expect(command.kind === 'command' && keysOf(command, args(line))?.map(String)).toEqual(expected);
  });
});

describe('a table of some commands', () => {
  it('knows these, and of containers these subcommands and HELP', () => {
    const some = CommandTable.of(['get', 'client|id', 'command']);
    expect(some.commands.map(({ fullName }) => fullName)).toEqual(['client', 'command', 'get']);
    expect(some.find(Buffer.from('client'))?.subcommands.map(({ name }) => name)).toEqual(['id', 'help']);
    expect(some.find(Buffer.from('set'))).toBeUndefined();
    expect(some.findFull(Buffer.from('CLIENT|ID'))?.fullName).toBe('client|id');
    expect(some.resolve(args('client getname'))).toMatchObject({ kind: 'error' });
  });

  it('refuses a name that nothing describes', () => {
    expect(() => CommandTable.of(['get', 'client|nothing'])).toThrow('every command is described');
  });
});
