import { describe, expect, it } from '@jest/globals';

import {
  commandCountReply,
  commandDocsReply,
  commandGetKeysAndFlagsReply,
  commandGetKeysReply,
  commandInfoReply,
  commandListReply,
  commandReply,
  helpReply,
} from './command-introspection.js';
import { ALL_COMMANDS, CommandTable } from './command-table.js';
import type { Command } from './command.js';
import { ReplyEncoder } from './reply-encoder.js';
import type { Reply } from './reply.js';

const table = new CommandTable();
const args = (line: string) => (line === '' ? [] : line.split(' ').map((arg) => Buffer.from(arg)));

/** The reply as it is sent in RESP3, with `|` for line ends. */
function sent(reply: Reply): string {
  const encoder = new ReplyEncoder(3);
  encoder.reply(reply);
  return Buffer.concat(encoder.take()).toString().replaceAll('\r\n', '|');
}

/** The reply as plain data, for looking into it. */
function plain(reply: Reply): unknown {
  if (reply.kind === 'bulk') return reply.value.toString();
  if (reply.kind === 'map')
    return Object.fromEntries(reply.entries.map(([key, value]) => [plain(key), plain(value)]));
  if ('items' in reply) return reply.items.map(plain);
  if ('text' in reply) return reply.text;
  return 'value' in reply ? reply.value : null;
}

describe('COMMAND', () => {
  it('INFO has the shape that redis-server 7 sends', () => {
    expect(sent(commandInfoReply(table, args('copy')))).toBe(
      '*1|*10|$4|copy|:-3|~2|+write|+denyoom|:1|:2|:1|~3|+@keyspace|+@write|+@slow|~0|' +
        '~2|%3|$5|flags|~2|+RO|+access|$12|begin_search|%2|$4|type|$5|index|$4|spec|%1|$5|index|:1|' +
        '$9|find_keys|%2|$4|type|$5|range|$4|spec|%3|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|' +
        '%3|$5|flags|~2|+OW|+update|$12|begin_search|%2|$4|type|$5|index|$4|spec|%1|$5|index|:2|' +
        '$9|find_keys|%2|$4|type|$5|range|$4|spec|%3|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|~0|',
    );
  });

  it('INFO answers null for what is unknown, and knows subcommands', () => {
    const infos = plain(commandInfoReply(table, args('nosuch client|getname get|x'))) as unknown[];
    expect(infos).toEqual([
      null,
      ['client|getname', 2, ['noscript', 'loading', 'stale'], 0, 0, 0, ['@slow', '@connection'], [], [], []],
      null,
    ]);
  });

  it('and INFO without names list everything, in the order of the table', () => {
    expect(commandInfoReply(table, [])).toEqual(commandReply(table));
    const rows = plain(commandReply(table)) as [string][];
    expect(rows.map(([name]) => name)).toEqual(ALL_COMMANDS.map(({ name }) => name));
    expect(plain(commandCountReply(table))).toBe(rows.length);
  });

  it('DOCS has the shape that redis-server 7 sends', () => {
    expect(sent(commandDocsReply(table, args('substr nosuch')))).toBe(
      '%1|$6|substr|%8|$7|summary|$24|Gives a part of a value.|$5|since|$5|1.0.0|$5|group|$6|string|' +
        '$10|complexity|$33|O(N), N the number of bytes given|' +
        '$9|doc_flags|~1|+deprecated|$16|deprecated_since|$5|2.0.0|$11|replaced_by|$8|GETRANGE|' +
        '$9|arguments|*3|%3|$4|name|$3|key|$4|type|$3|key|$14|key_spec_index|:0|' +
        '%2|$4|name|$5|start|$4|type|$7|integer|%2|$4|name|$3|end|$4|type|$7|integer|',
    );
  });

  it('DOCS tells tokens, options, alternatives, history and which key is which', () => {
    const docs = plain(commandDocsReply(table, args('set copy lcs'))) as Record<
      string,
      Record<string, unknown>
    >;
    expect(docs['set']?.['history']).toContainEqual(['6.0.0', 'Takes KEEPTTL.']);
    expect(docs['set']?.['arguments']).toContainEqual({
      name: 'get',
      type: 'pure-token',
      token: 'GET',
      flags: ['optional'],
    });
    expect(docs['copy']?.['arguments']).toMatchObject([{ key_spec_index: 0 }, { key_spec_index: 1 }, {}, {}]);
    expect(docs['lcs']?.['arguments']).toMatchObject([
      { key_spec_index: 0 },
      { key_spec_index: 0 },
      {},
      {},
      {},
      {},
    ]);
  });

  it('DOCS of a container has those of its subcommands; DOCS without names has everything', () => {
    const all = plain(commandDocsReply(table, [])) as Record<string, { subcommands?: object }>;
    expect(Object.keys(all)).toHaveLength(ALL_COMMANDS.length);
    expect(Object.keys(all['object']?.subcommands ?? {})).toContain('object|encoding');
  });

  it.each<[string, unknown]>([
    [
      'FILTERBY ACLCAT bitmap',
      ['bitcount', 'bitfield', 'bitfield_ro', 'bitop', 'bitpos', 'getbit', 'setbit'],
    ],
    [
      'filterby aclcat BITMAP',
      ['bitcount', 'bitfield', 'bitfield_ro', 'bitop', 'bitpos', 'getbit', 'setbit'],
    ],
    ['FILTERBY ACLCAT @bitmap', []],
    ['FILTERBY PATTERN client|*NAME', ['client|getname', 'client|setname']],
    ['FILTERBY MODULE x', []],
    ['FILTERBY', 'ERR syntax error'],
    ['FILTERBY MODULE', 'ERR syntax error'],
    ['FILTERBY X x', 'ERR syntax error'],
    ['X ACLCAT x', 'ERR syntax error'],
    ['FILTERBY ACLCAT x y', 'ERR syntax error'],
  ])('LIST %s', (line, expected) => {
    expect(plain(commandListReply(table, args(line)))).toEqual(expected);
  });

  it('LIST names subcommands too', () => {
    expect(plain(commandListReply(table, []))).toEqual(
      ALL_COMMANDS.flatMap(({ fullName, subcommands }) => [
        fullName,
        ...subcommands.map((sub) => sub.fullName),
      ]),
    );
  });

  it.each<[string, unknown]>([
    ['get a', ['a']],
    ['MSET a 1 b', ['a', 'b']],
    ['memory usage a', ['a']],
    ['get a b', 'ERR Invalid number of arguments specified for command'],
    ['memory usage', 'ERR Invalid number of arguments specified for command'],
    ['foo a', 'ERR Invalid command specified'],
    ['client foo', 'ERR Invalid command specified'],
    ['ping x', 'ERR The command has no key arguments'],
  ])('GETKEYS %s', (line, expected) => {
    expect(plain(commandGetKeysReply(table, args(line)))).toEqual(expected);
  });

  it('GETKEYSANDFLAGS', () => {
    expect(sent(commandGetKeysAndFlagsReply(table, args('RENAME a b')))).toBe(
      '*2|*2|$1|a|~3|+RW|+access|+delete|*2|$1|b|~2|+OW|+update|',
    );
    expect(plain(commandGetKeysAndFlagsReply(table, args('foo')))).toBe('ERR Invalid command specified');
  });

  it.each([
    ['set k 1', ['OW', 'update']],
    ['set k get', ['OW', 'update']],
    ['set k 1 EX 5 Get', ['RW', 'access', 'update']],
    ['bitfield k', ['RO', 'access']],
    ['bitfield k GET u8 0', ['RO', 'access']],
    ['bitfield k GET u8 0 OVERFLOW sat INCRBY u8 0 1', ['RW', 'access', 'update']],
  ])('GETKEYSANDFLAGS says what "%s" does with its key', (line, flags) => {
    expect(plain(commandGetKeysAndFlagsReply(table, args(line)))).toEqual([['k', flags]]);
  });
});

describe('HELP', () => {
  it('is made from the descriptions', () => {
    const client = table.find(Buffer.from('client')) as Command;
    const lines = plain(helpReply(client)) as string[];
    expect(lines[0]).toBe('CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:');
    expect(lines).toEqual(
      expect.arrayContaining(['SETNAME <connection-name>', '    Names this connection.']),
    );
    expect(lines).toEqual(
      expect.arrayContaining(['PAUSE <timeout> [WRITE|ALL]', 'REPLY (ON|OFF|SKIP)', 'HELP']),
    );
    expect(lines).toContain('LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [<client-id> ...]]');
  });

  it.each(ALL_COMMANDS.filter(({ subcommands }) => subcommands.length > 0).map((c) => [c.name, c] as const))(
    '%s: one line of usage and one of text for each subcommand',
    (_name, container) => {
      expect((plain(helpReply(container)) as string[]).length).toBe(1 + 2 * container.subcommands.length);
    },
  );
});
