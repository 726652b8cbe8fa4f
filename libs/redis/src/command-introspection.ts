/**
 * The answers of COMMAND and of every HELP, computed from the command table. Pure: a table and arguments in, a reply
 * out. They are built anew for each call, which takes a few milliseconds for the whole table; clients ask once.
 *
 * Source: https://redis.io/docs/latest/commands/command/ and its subcommands; shapes as redis-server 7 sends them.
 */
import { parseArgumentSyntax, type ArgumentDoc } from './argument-syntax.js';
import { equalsIgnoringCase } from './ascii.js';
import type { Command } from './command.js';
import { hasArity, type CommandTable } from './command-table.js';
import { Glob } from './glob.js';
import { keyPositions, type KeyPosition, type KeySpec } from './key-spec.js';
import { SYNTAX_ERROR } from './redis-errors.js';
import {
  array,
  bulk,
  errorReply,
  integer,
  map,
  NULL_REPLY,
  set,
  simple,
  type ErrorReply,
  type Reply,
} from './reply.js';

/** COMMAND, and COMMAND INFO without names: every command with what clients need for routing. */
export function commandReply(table: CommandTable): Reply {
  return array(table.commands.map(commandInfo));
}

/** COMMAND COUNT. */
export function commandCountReply(table: CommandTable): Reply {
  return integer(table.commands.length);
}

/** COMMAND INFO [name …]: null for a name that is unknown. */
export function commandInfoReply(table: CommandTable, names: readonly Buffer[]): Reply {
  if (names.length === 0) return commandReply(table);
  return array(
    names.map((name) => {
      const command = table.findFull(name);
      return command === undefined ? NULL_REPLY : commandInfo(command);
    }),
  );
}

/** COMMAND DOCS [name …]: unknown names are left out. */
export function commandDocsReply(table: CommandTable, names: readonly Buffer[]): Reply {
  const commands =
    names.length === 0
      ? table.commands
      : names.map((name) => table.findFull(name)).filter((found) => found !== undefined);
  return map(commands.map(docsEntry));
}

/** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern], given the arguments behind LIST. */
export function commandListReply(table: CommandTable, args: readonly Buffer[]): Reply {
  const matches = args.length === 0 ? () => true : listFilter(args);
  if (matches === undefined) return SYNTAX_ERROR;
  const all = table.commands.flatMap((command) => [command, ...command.subcommands]);
  return array(all.filter(matches).map(({ fullName }) => bulk(fullName)));
}

/** COMMAND GETKEYS, given the command that follows it. */
export function commandGetKeysReply(table: CommandTable, args: readonly Buffer[]): Reply {
  const positions = keysOfWholeCommand(table, args);
  if (!Array.isArray(positions)) return positions;
  return array(positions.map(({ index }) => bulk(args[index] as Buffer)));
}

/** COMMAND GETKEYSANDFLAGS, given the command that follows it. */
export function commandGetKeysAndFlagsReply(table: CommandTable, args: readonly Buffer[]): Reply {
  const positions = keysOfWholeCommand(table, args);
  if (!Array.isArray(positions)) return positions;
  return array(
    positions.map(({ index, flags }) => array([bulk(args[index] as Buffer), set(flags.map(simple))])),
  );
}

/** `<container> HELP`. */
export function helpReply(container: Command): Reply {
  const lines = [`${container.name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const { name, syntax, summary } of container.subcommands) {
    lines.push(
      [name.toUpperCase(), ...parseArgumentSyntax(syntax ?? '').map(usage)].join(' '),
      `    ${summary}`,
    );
  }
  return array(lines.map(simple));
}

function commandInfo(command: Command): Reply {
  const { fullName, arity, flags, keyRange, categories, tips, keys, subcommands } = command;
  return array([
    bulk(fullName),
    integer(arity),
    set(flags.map(simple)),
    integer(keyRange.first),
    integer(keyRange.last),
    integer(keyRange.step),
    set(categories.map((category) => simple(`@${category}`))),
    set((tips ?? []).map(bulk)),
    set(keys.map(keySpecReply)),
    // Containers are not nested, so this goes one level deep.
    set(subcommands.map(commandInfo)),
  ]);
}

function keySpecReply({ notes, flags, begin, find }: KeySpec): Reply {
  const beginSpec =
    begin.type === 'index'
      ? numbers({ index: begin.index })
      : map([field('keyword', bulk(begin.keyword)), field('startfrom', integer(begin.startFrom))]);
  const findSpec =
    find.type === 'range'
      ? numbers({ lastkey: find.lastKey, keystep: find.keyStep, limit: find.limit })
      : numbers({ keynumidx: find.keyNumIndex, firstkey: find.firstKey, keystep: find.keyStep });
  return map([
    ...(notes === undefined ? [] : [field('notes', bulk(notes))]),
    field('flags', set(flags.map(simple))),
    field('begin_search', map([field('type', bulk(begin.type)), field('spec', beginSpec)])),
    field('find_keys', map([field('type', bulk(find.type)), field('spec', findSpec)])),
  ]);
}

function docsEntry(command: Command): readonly [Reply, Reply] {
  const { fullName, summary, since, group, complexity, deprecated, history, syntax, keys, subcommands } =
    command;
  const fields = [
    field('summary', bulk(summary)),
    field('since', bulk(since)),
    field('group', bulk(group)),
    field('complexity', bulk(complexity)),
  ];
  if (deprecated !== undefined) {
    fields.push(
      field('doc_flags', set([simple('deprecated')])),
      field('deprecated_since', bulk(deprecated.since)),
      field('replaced_by', bulk(deprecated.replacedBy)),
    );
  }
  if (history !== undefined) {
    fields.push(
      field('history', set(history.map(([version, change]) => array([bulk(version), bulk(change)])))),
    );
  }
  if (syntax !== undefined) {
    const docs = parseArgumentSyntax(syntax);
    const keySpecIndexes = numberKeyArguments(docs, keys.length);
    fields.push(field('arguments', array(docs.map((doc) => argumentReply(doc, keySpecIndexes)))));
  }
  if (subcommands.length > 0) fields.push(field('subcommands', map(subcommands.map(docsEntry))));
  return field(fullName, map(fields));
}

/** Which key spec describes each argument that is a key: the n-th the n-th, and the last one all that follow. */
function numberKeyArguments(docs: readonly ArgumentDoc[], specCount: number): Map<ArgumentDoc, number> {
  const indexes = new Map<ArgumentDoc, number>();
  const visit = (doc: ArgumentDoc) => {
    if (doc.type === 'key') indexes.set(doc, Math.min(indexes.size, specCount - 1));
    doc.arguments.forEach(visit);
  };
  docs.forEach(visit);
  return indexes;
}

function argumentReply(doc: ArgumentDoc, keySpecIndexes: ReadonlyMap<ArgumentDoc, number>): Reply {
  const keySpecIndex = keySpecIndexes.get(doc);
  const flags = [...(doc.optional ? ['optional'] : []), ...(doc.multiple ? ['multiple'] : [])];
  const fields = [field('name', bulk(doc.name)), field('type', bulk(doc.type))];
  if (keySpecIndex !== undefined) fields.push(field('key_spec_index', integer(keySpecIndex)));
  if (doc.token !== undefined) fields.push(field('token', bulk(doc.token)));
  if (flags.length > 0) fields.push(field('flags', set(flags.map(simple))));
  if (doc.arguments.length > 0) {
    fields.push(
      field('arguments', array(doc.arguments.map((inner) => argumentReply(inner, keySpecIndexes)))),
    );
  }
  return map(fields);
}

/** An argument as HELP shows it: `<key>`, `[COUNT <count>]`, `(ON|OFF)`. */
function usage(doc: ArgumentDoc): string {
  const once = [doc.token ?? '', usageOfValue(doc)].filter((part) => part !== '').join(' ');
  const text = doc.multiple ? `${once} [${once} ...]` : once;
  return doc.optional ? `[${text}]` : text;
}

function usageOfValue({ name, type, token, optional, arguments: inner }: ArgumentDoc): string {
  if (type === 'pure-token') return '';
  if (type === 'block') return inner.map(usage).join(' ');
  if (type !== 'oneof') return `<${name}>`;
  const alternatives = inner.map(usage).join('|');
  // The brackets of an option already hold its alternatives together.
  return optional && token === undefined ? alternatives : `(${alternatives})`;
}

/** Undefined: the arguments are no filter. */
function listFilter(args: readonly Buffer[]): ((command: Command) => boolean) | undefined {
  const [filterBy, by, operand] = args;
  if (filterBy === undefined || by === undefined || operand === undefined || args.length !== 3)
    return undefined;
  if (!equalsIgnoringCase(filterBy, 'filterby')) return undefined;
  // There are no modules.
  if (equalsIgnoringCase(by, 'module')) return () => false;
  if (equalsIgnoringCase(by, 'aclcat')) {
    return ({ categories }) => categories.some((category) => equalsIgnoringCase(operand, category));
  }
  if (!equalsIgnoringCase(by, 'pattern')) return undefined;
  const pattern = Glob.compile(operand, { ignoreCase: true });
  return ({ fullName }) => pattern?.matches(Buffer.from(fullName)) ?? false;
}

function keysOfWholeCommand(table: CommandTable, args: readonly Buffer[]): KeyPosition[] | ErrorReply {
  const command = args.length === 0 ? undefined : table.lookUp(args);
  if (command === undefined) return errorReply('ERR Invalid command specified');
  if (command.keys.length === 0) return errorReply('ERR The command has no key arguments');
  if (!hasArity(command, args.length))
    return errorReply('ERR Invalid number of arguments specified for command');
  return keyPositions(command.keys, args) ?? errorReply('ERR Invalid arguments specified for command');
}

function field(name: string, value: Reply): readonly [Reply, Reply] {
  return [bulk(name), value];
}

function numbers(fields: Readonly<Record<string, number>>): Reply {
  return map(Object.entries(fields).map(([name, value]) => field(name, integer(value))));
}
