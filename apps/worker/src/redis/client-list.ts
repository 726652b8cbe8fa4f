/** CLIENT LIST and CLIENT KILL: connections as text, and as what a filter picks. */
import { parseInt64 } from '@diststore/base';
import {
  equalsIgnoringCase,
  type ErrorReply,
  errorReply,
  parsed,
  type Parsed,
  refused,
  SYNTAX_ERROR,
} from '@diststore/redis';
import type { Connection } from './implementation.js';

/** One line, in the form of Redis 7.2, without a line end. */
export function describeClient(connection: Connection): string {
  const nowMs = performance.now();
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  const { transaction } = connection;
  const flags = `${transaction.isOpen ? 'x' : ''}${connection.readOnly ? 'r' : ''}${connection.noEvict ? 'e' : ''}${connection.noTouch ? 'T' : ''}`;
  return [
    `id=${connection.id}`,
    `addr=${connection.address}`,
    `laddr=${connection.localAddress}`,
    'fd=0',
    `name=${connection.name}`,
    `age=${seconds(connection.createdMs)}`,
    `idle=${seconds(connection.lastActiveMs)}`,
    `flags=${flags === '' ? 'N' : flags}`,
    'db=0 sub=0 psub=0 ssub=0',
    `multi=${transaction.isOpen ? transaction.queued.length : -1}`,
    `qbuf=${connection.pendingInputBytes} qbuf-free=0 argv-mem=0 multi-mem=${transaction.queuedBytes} rbs=0 rbp=0`,
    `obl=0 oll=${connection.pendingCommands} omem=${connection.outputBytes}`,
    `tot-mem=${connection.pendingInputBytes + connection.outputBytes + transaction.queuedBytes}`,
    `events=${connection.outputBytes > 0 ? 'rw' : 'r'}`,
    `cmd=${connection.lastCommand?.command.fullName ?? 'NULL'}`,
    'user=default redir=-1',
    `resp=${connection.version}`,
    `lib-name=${connection.libName}`,
    `lib-ver=${connection.libVersion}`,
  ].join(' ');
}

/** Which connections CLIENT KILL means. */
export type ClientFilter = (connection: Connection) => boolean;

const ID_ERROR = errorReply('ERR client-id should be greater than 0');
const USER_ERROR = (name: string): ErrorReply => errorReply(`ERR No such user '${name}'`);
const TYPES = ['normal', 'master', 'slave', 'replica', 'pubsub'];

/** Undefined: no such type. Every connection is a normal one. */
export function typeFilter(type: Buffer): ClientFilter | undefined {
  const known = TYPES.find((name) => equalsIgnoringCase(type, name));
  return known === undefined ? undefined : () => known === 'normal';
}

export function unknownTypeError(type: Buffer): ErrorReply {
  return errorReply(`ERR Unknown client type '${type.toString()}'`);
}

/** The filters of CLIENT KILL, from args[2] on; all must fit. @param self who asks, spared unless SKIPME no. */
export function parseKillFilter(args: readonly Buffer[], self: Connection): Parsed<ClientFilter> {
  const filters: ClientFilter[] = [];
  let skipsSelf = true;
  for (let i = 2; i < args.length; i += 2) {
    const option = args[i] as Buffer;
    const operand = args[i + 1];
    if (operand === undefined) return refused(SYNTAX_ERROR);
    const text = operand.toString('latin1');
    if (equalsIgnoringCase(option, 'id')) {
      const id = parseInt64(operand);
      if (id === undefined || id < 1) return refused(ID_ERROR);
      filters.push((connection) => connection.id === id);
    } else if (equalsIgnoringCase(option, 'type')) {
      const filter = typeFilter(operand);
      if (filter === undefined) return refused(unknownTypeError(operand));
      filters.push(filter);
    } else if (equalsIgnoringCase(option, 'addr')) {
      filters.push((connection) => connection.address === text);
    } else if (equalsIgnoringCase(option, 'laddr')) {
      filters.push((connection) => connection.localAddress === text);
    } else if (equalsIgnoringCase(option, 'user')) {
      if (text !== 'default') return refused(USER_ERROR(operand.toString()));
    } else if (equalsIgnoringCase(option, 'skipme')) {
      if (equalsIgnoringCase(operand, 'yes')) skipsSelf = true;
      else if (equalsIgnoringCase(operand, 'no')) skipsSelf = false;
      else return refused(SYNTAX_ERROR);
    } else {
      return refused(SYNTAX_ERROR);
    }
  }
  return parsed(
    (connection) => !(skipsSelf && connection === self) && filters.every((fits) => fits(connection)),
  );
}
