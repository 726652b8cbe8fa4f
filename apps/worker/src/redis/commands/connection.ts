/** Commands about the connection itself. Source: https://redis.io/docs/latest/commands/?group=connection */
import { parseInt64 } from '@diststore/base';
import {
  CLIENT_NAME_ERROR,
  CLUSTER_DISABLED_ERROR,
  DB_INDEX_ERROR,
  equalsIgnoringCase,
  type ErrorReply,
  errorReply,
  INTEGER_ERROR,
  NO_PROTO_ERROR,
  type ReplyEncoder,
  SELECT_IN_CLUSTER_ERROR,
  WRONG_PASS_ERROR,
  wrongArityError,
} from '@diststore/redis';

import type { Arguments, Connection, Implementations } from '../implementation.js';
import { CLIENT_TEXT_BYTES_MAX } from '../redis-limits.js';
import { REDIS_VERSION } from '../server-info.js';

const PROTOCOL_NUMBER_ERROR = errorReply('ERR Protocol version is not an integer or out of range');
const NO_PASSWORD_ERROR = errorReply(
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
);

/** Printable ASCII without spaces, as Redis wants it; undefined otherwise. */
export function clientText(bytes: Buffer): string | undefined {
  if (bytes.length > CLIENT_TEXT_BYTES_MAX) return undefined;
  return bytes.every((byte) => byte > 0x20 && byte < 0x7f) ? bytes.toString('latin1') : undefined;
}

/** There are no users but `default`, which has no password: any is right. */
function authenticate(user: Buffer): ErrorReply | undefined {
  return user.equals(DEFAULT_USER) ? undefined : WRONG_PASS_ERROR;
}

const DEFAULT_USER = Buffer.from('default');

function hello(connection: Connection, args: Arguments, out: ReplyEncoder): void {
  let version: 2 | 3 = connection.version;
  let name: string | undefined;
  if (args.length > 1) {
    const wanted = parseInt64(args[1] as Buffer);
    if (wanted === undefined) {
      out.error(PROTOCOL_NUMBER_ERROR.text);
      return;
    }
    if (wanted !== 2 && wanted !== 3) {
      out.error(NO_PROTO_ERROR.text);
      return;
    }
    version = wanted;
  }
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    const left = args.length - i - 1;
    if (equalsIgnoringCase(option, 'auth') && left >= 2) {
      const refused = authenticate(args[i + 1] as Buffer);
      if (refused !== undefined) {
        out.error(refused.text);
        return;
      }
      i += 2;
    } else if (equalsIgnoringCase(option, 'setname') && left >= 1) {
      name = clientText(args[i + 1] as Buffer);
      if (name === undefined) {
        out.error(CLIENT_NAME_ERROR.text);
        return;
      }
      i += 1;
    } else {
      out.error(`ERR Syntax error in HELLO option '${option.toString()}'`);
      return;
    }
  }
  if (name !== undefined) connection.name = name;
  connection.version = version;
  out.mapHeader(7);
  out.bulk('server');
  out.bulk('redis');
  out.bulk('version');
  out.bulk(REDIS_VERSION);
  out.bulk('proto');
  out.integer(version);
  out.bulk('id');
  out.integer(connection.id);
  out.bulk('mode');
  out.bulk(connection.port.mode === 'cluster' ? 'cluster' : 'standalone');
  out.bulk('role');
  out.bulk('master');
  out.bulk('modules');
  out.arrayHeader(0);
}

function select(connection: Connection, args: Arguments, out: ReplyEncoder): void {
  const db = parseInt64(args[1] as Buffer);
  if (db === undefined) out.error(INTEGER_ERROR.text);
  else if (db === 0) out.ok();
  else out.error((connection.port.mode === 'cluster' ? SELECT_IN_CLUSTER_ERROR : DB_INDEX_ERROR).text);
}

function ping(_connection: Connection, args: Arguments, out: ReplyEncoder): void {
  const [, message] = args;
  if (args.length > 2) out.error(wrongArityError('ping').text);
  else if (message === undefined) out.simple('PONG');
  else out.bulk(message);
}

function reset(connection: Connection): void {
  connection.transaction.reset();
  connection.name = '';
  connection.readOnly = connection.noEvict = connection.noTouch = false;
  connection.replyMode = 'on';
  connection.version = 2;
  // Not to where the reply was to go before: CLIENT REPLY OFF has ended.
  connection.beginReply().simple('RESET');
}

/** READONLY and its like mean something to a cluster only. */
function inCluster(run: (connection: Connection) => void) {
  return (connection: Connection, _args: Arguments, out: ReplyEncoder): void => {
    if (connection.port.mode === 'gateway') {
      out.error(CLUSTER_DISABLED_ERROR.text);
    } else {
      run(connection);
      out.ok();
    }
  };
}

export const connectionCommands: Implementations = {
  hello: { kind: 'special', run: hello },
  auth: {
    kind: 'special',
    run: (_connection, args, out) => {
      if (args.length > 3) {
        out.error('ERR syntax error');
        return;
      }
      if (args.length === 2) {
        out.error(NO_PASSWORD_ERROR.text);
        return;
      }
      const refused = authenticate(args[1] as Buffer);
      if (refused === undefined) out.ok();
      else out.error(refused.text);
    },
  },
  ping: { kind: 'special', run: ping, overlaps: true },
  echo: { kind: 'special', run: (_connection, args, out) => out.bulk(args[1] as Buffer), overlaps: true },
  select: { kind: 'special', run: select },
  quit: {
    kind: 'special',
    inMulti: 'at-once',
    run: (connection, _args, out) => {
      out.ok();
      connection.end();
    },
  },
  reset: { kind: 'special', inMulti: 'at-once', run: reset },
  readonly: { kind: 'special', run: inCluster((connection) => (connection.readOnly = true)) },
  readwrite: { kind: 'special', run: inCluster((connection) => (connection.readOnly = false)) },
  asking: { kind: 'special', run: inCluster(() => undefined) },
};
