/** Commands about the server. Source: https://redis.io/docs/latest/commands/?group=server */
import { parseInt64 } from '@diststore/base';
import {
  ACL_CATEGORIES,
  commandCountReply,
  commandDocsReply,
  commandGetKeysAndFlagsReply,
  commandGetKeysReply,
  commandInfoReply,
  commandListReply,
  commandReply,
  equalsIgnoringCase,
  INTEGER_ERROR,
  type Reply,
  type ReplyEncoder,
  SYNTAX_ERROR,
  wrongArityError,
} from '@diststore/redis';

import type { Arguments, Connection, Implementation, Implementations } from '../implementation.js';
import { describeServer } from '../server-info.js';
import { applySettings, settingsMatching } from '../server-settings.js';
import { countKeys } from './keyspace.js';

type Run = (connection: Connection, args: Arguments, out: ReplyEncoder) => void;

function special(run: Run): Implementation {
  return { kind: 'special', run };
}

function reply(make: (connection: Connection, args: Arguments) => Reply): Implementation {
  return special((connection, args, out) => out.reply(make(connection, args)));
}

async function info({ port }: Connection, args: Arguments, out: ReplyEncoder): Promise<void> {
  const names = args.slice(1).map((name) => name.toString('latin1'));
  const counts =
    names.length === 0 || names.some((name) => /^(keyspace|all|everything|default)$/i.test(name));
  // INFO must answer in any state: clients ask it whether the server is ready.
  const keys = counts ? await countKeys(port).catch(() => 0) : 0;
  out.verbatim('txt', describeServer(port, names, { keys }));
}

const USER = 'user default on nopass ~* &* +@all';

const aclCat: Run = ({ port }, args, out) => {
  const wanted = args[2];
  if (args.length > 3) {
    out.error(wrongArityError('acl|cat').text);
    return;
  }
  if (wanted === undefined) {
    out.arrayHeader(ACL_CATEGORIES.length);
    for (const category of ACL_CATEGORIES) out.bulk(category);
    return;
  }
  const category = ACL_CATEGORIES.find((known) => equalsIgnoringCase(wanted, known));
  if (category === undefined) {
    out.error(`ERR Unknown category '${wanted.toString()}'`);
    return;
  }
  const names = port.commands
    .all()
    .map(({ command }) => command)
    .filter(({ categories }) => categories.includes(category))
    .map(({ fullName }) => fullName);
  out.arrayHeader(names.length);
  for (const name of names) out.bulk(name);
};

const configGet: Run = ({ port }, args, out) => {
  const settings = settingsMatching(port, args.slice(2));
  out.mapHeader(settings.length);
  for (const [name, value] of settings) {
    out.bulk(name);
    out.bulk(value);
  }
};

const configSet: Run = ({ port }, args, out) => {
  if (args.length % 2 !== 0) {
    out.error(wrongArityError('config|set').text);
    return;
  }
  const refused = applySettings(port, args.slice(2));
  if (refused === undefined) out.ok();
  else out.error(refused.text);
};

const slowlogGet: Run = ({ port }, args, out) => {
  const stated = args[2] === undefined ? SLOWLOG_COUNT_DEFAULT : parseInt64(args[2]);
  if (args.length > 3) {
    out.error(SYNTAX_ERROR.text);
    return;
  }
  if (stated === undefined || stated < -1) {
    out.error('ERR count should be greater than or equal to -1');
    return;
  }
  const entries = port.slowLog.entries.slice(0, stated === -1 ? undefined : Number(stated));
  out.arrayHeader(entries.length);
  for (const { id, atSeconds, durationUs, args: words, client, clientName } of entries) {
    out.arrayHeader(6);
    out.integer(id);
    out.integer(atSeconds);
    out.integer(durationUs);
    out.arrayHeader(words.length);
    for (const word of words) out.bulk(word);
    out.bulk(client);
    out.bulk(clientName);
  }
};

const SLOWLOG_COUNT_DEFAULT = 10;

const time: Run = ({ port }, _args, out) => {
  const nowMs = port.context.nowMs;
  const seconds = Math.floor(nowMs / 1000);
  out.arrayHeader(2);
  out.bulk(String(seconds));
  out.bulk(String(Math.floor((nowMs - seconds * 1000) * 1000)));
};

/** Every worker is a master without replicas: see slot-map.ts. */
const role: Run = (_connection, _args, out) => {
  out.arrayHeader(3);
  out.bulk('master');
  out.integer(0);
  out.arrayHeader(0);
};

/**
 * WAIT: every write was durable on all in-sync replicas before it was acknowledged, so the answer is known at once and
 * waiting would not change it.
 */
const wait: Run = (connection, args, out) => {
  const wanted = parseInt64(args[1] as Buffer);
  if (wanted === undefined) {
    out.error(INTEGER_ERROR.text);
    return;
  }
  const refused = timeoutError(args[2] as Buffer);
  if (refused !== undefined) {
    out.error(refused);
    return;
  }
  out.integer(replicasOf(connection));
};

const waitaof: Run = (connection, args, out) => {
  const local = parseInt64(args[1] as Buffer);
  if (local === undefined) {
    out.error(INTEGER_ERROR.text);
    return;
  }
  if (local < 0 || local > 1) {
    out.error('ERR value is out of range, value must between 0 and 1');
    return;
  }
  const wanted = parseInt64(args[2] as Buffer);
  if (wanted === undefined) {
    out.error(INTEGER_ERROR.text);
    return;
  }
  if (wanted < 0) {
    out.error('ERR value is out of range, must be positive');
    return;
  }
  const refused = timeoutError(args[3] as Buffer);
  if (refused !== undefined) {
    out.error(refused);
    return;
  }
  out.arrayHeader(2);
  out.integer(1);
  out.integer(replicasOf(connection));
};

function timeoutError(arg: Buffer): string | undefined {
  const timeoutMs = parseInt64(arg);
  if (timeoutMs === undefined) return 'ERR timeout is not an integer or out of range';
  return timeoutMs < 0 ? 'ERR timeout is negative' : undefined;
}

/** Replicas besides the primary that have this connection's writes; before its first, the fewest of any partition. */
function replicasOf({ holdersOfLastWrite, port }: Connection): number {
  if (holdersOfLastWrite !== undefined) return Math.max(0, holdersOfLastWrite - 1);
  const counts = port.slots.map
    ?.partitionRecords()
    .flatMap(({ configuration }) => configuration?.insync.length ?? []);
  return counts === undefined || counts.length === 0 ? 0 : Math.max(0, Math.min(...counts) - 1);
}

/** There is nothing of the kind, so nothing is to be flushed. */
function nothingToFlush(refusal: string): Implementation {
  return special((_connection, args, out) => {
    const mode = args[2];
    const isKnown =
      mode === undefined || equalsIgnoringCase(mode, 'async') || equalsIgnoringCase(mode, 'sync');
    if (args.length > 3 || !isKnown) out.error(refusal);
    else out.ok();
  });
}

const LATENCY_DOCTOR =
  'Latency is not recorded here. SLOWLOG GET shows slow commands, /metrics on the HTTP port how long fsyncs take.\n';

export const serverCommands: Implementations = {
  info: { kind: 'special', run: info },
  time: special(time),
  role: special(role),
  wait: special(wait),
  waitaof: special(waitaof),
  'config|get': special(configGet),
  'config|resetstat': special(({ port }, _args, out) => {
    port.statistics.reset();
    for (const counts of port.commands.all()) {
      counts.calls = counts.failedCalls = counts.rejectedCalls = counts.totalMs = 0;
    }
    out.ok();
  }),
  'config|set': special(configSet),
  'module|list': special((_connection, _args, out) => out.arrayHeader(0)),
  'slowlog|get': special(slowlogGet),
  'slowlog|len': special(({ port }, _args, out) => out.integer(port.slowLog.entries.length)),
  'slowlog|reset': special(({ port }, _args, out) => {
    port.slowLog.reset();
    out.ok();
  }),
  'latency|doctor': special((_connection, _args, out) => out.verbatim('txt', LATENCY_DOCTOR)),
  'latency|histogram': special((_connection, _args, out) => out.mapHeader(0)),
  'latency|history': special((_connection, _args, out) => out.arrayHeader(0)),
  'latency|latest': special((_connection, _args, out) => out.arrayHeader(0)),
  'latency|reset': special((_connection, _args, out) => out.integer(0)),
  'acl|whoami': special((_connection, _args, out) => out.bulk('default')),
  'acl|list': special((_connection, _args, out) => {
    out.arrayHeader(1);
    out.bulk(USER);
  }),
  'acl|cat': special(aclCat),
  'script|flush': nothingToFlush('ERR SCRIPT FLUSH only support SYNC|ASYNC option'),
  'function|flush': nothingToFlush('ERR FUNCTION FLUSH only supports SYNC|ASYNC option'),
  command: reply(({ port }) => commandReply(port.commands.table)),
  'command|count': reply(({ port }) => commandCountReply(port.commands.table)),
  'command|docs': reply(({ port }, args) => commandDocsReply(port.commands.table, args.slice(2))),
  'command|info': reply(({ port }, args) => commandInfoReply(port.commands.table, args.slice(2))),
  'command|list': reply(({ port }, args) => commandListReply(port.commands.table, args.slice(2))),
  'command|getkeys': reply(({ port }, args) => commandGetKeysReply(port.commands.table, args.slice(2))),
  'command|getkeysandflags': reply(({ port }, args) =>
    commandGetKeysAndFlagsReply(port.commands.table, args.slice(2)),
  ),
};
