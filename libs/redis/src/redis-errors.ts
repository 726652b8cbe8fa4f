/**
 * Error replies in Redis's words. Clients match on the prefix, and many test suites on the whole text, so these are
 * never reworded. Source: redis-server 7 observed, and the Redis documentation.
 */
import { ERROR_PREVIEW_BYTES_MAX } from './limits.js';
import { errorReply, type ErrorReply } from './reply.js';

// Arguments.
export const SYNTAX_ERROR = errorReply('ERR syntax error');
export const INTEGER_ERROR = errorReply('ERR value is not an integer or out of range');
export const FLOAT_ERROR = errorReply('ERR value is not a valid float');
export const CURSOR_ERROR = errorReply('ERR invalid cursor');
export const OVERFLOW_ERROR = errorReply('ERR increment or decrement would overflow');
export const DECREMENT_OVERFLOW_ERROR = errorReply('ERR decrement would overflow');
export const NAN_OR_INFINITY_ERROR = errorReply('ERR increment would produce NaN or Infinity');
export const OFFSET_ERROR = errorReply('ERR offset is out of range');
export const BIT_OFFSET_ERROR = errorReply('ERR bit offset is not an integer or out of range');
export const BIT_ERROR = errorReply('ERR bit is not an integer or out of range');
export const BITOP_NOT_ERROR = errorReply('ERR BITOP NOT must be called with a single source key.');
export const LCS_TOO_LARGE_ERROR = errorReply(
  'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
);
export const SAME_KEY_ERROR = errorReply('ERR source and destination objects are the same');
export const VALUE_TOO_LARGE_ERROR = errorReply(
  'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
);
export const DB_INDEX_ERROR = errorReply('ERR DB index is out of range');

// Data.
export const WRONG_TYPE_ERROR = errorReply(
  'WRONGTYPE Operation against a key holding the wrong kind of value',
);
export const NO_SUCH_KEY_ERROR = errorReply('ERR no such key');
export const BUSY_KEY_ERROR = errorReply('BUSYKEY Target key name already exists.');
export const DUMP_CHECKSUM_ERROR = errorReply('ERR DUMP payload version or checksum are wrong');
export const DUMP_FORMAT_ERROR = errorReply('ERR Bad data format');
export const OUT_OF_MEMORY_ERROR = errorReply("OOM command not allowed when used memory > 'maxmemory'.");

// Connections.
export const NO_AUTH_ERROR = errorReply('NOAUTH Authentication required.');
export const WRONG_PASS_ERROR = errorReply('WRONGPASS invalid username-password pair or user is disabled.');
export const HELLO_WITHOUT_AUTH_ERROR = errorReply(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
);
export const NO_PROTO_ERROR = errorReply('NOPROTO unsupported protocol version');
export const CLIENT_NAME_ERROR = errorReply(
  'ERR Client names cannot contain spaces, newlines or special characters.',
);

// Transactions.
export const EXEC_ABORT_ERROR = errorReply('EXECABORT Transaction discarded because of previous errors.');
export const EXEC_WITHOUT_MULTI_ERROR = errorReply('ERR EXEC without MULTI');
export const DISCARD_WITHOUT_MULTI_ERROR = errorReply('ERR DISCARD without MULTI');
export const NESTED_MULTI_ERROR = errorReply('ERR MULTI calls can not be nested');
export const WATCH_INSIDE_MULTI_ERROR = errorReply('ERR WATCH inside MULTI is not allowed');

// Cluster.
export const CROSS_SLOT_ERROR = errorReply("CROSSSLOT Keys in request don't hash to the same slot");
export const CLUSTER_DOWN_ERROR = errorReply('CLUSTERDOWN The cluster is down');
export const SLOT_NOT_SERVED_ERROR = errorReply('CLUSTERDOWN Hash slot not served');
export const CLUSTER_DISABLED_ERROR = errorReply('ERR This instance has cluster support disabled');
export const SELECT_IN_CLUSTER_ERROR = errorReply('ERR SELECT is not allowed in cluster mode');
export const TRY_AGAIN_ERROR = errorReply('TRYAGAIN Multiple keys request during rehashing of slot');
export const LOADING_ERROR = errorReply('LOADING Redis is loading the dataset in memory');
export const READ_ONLY_ERROR = errorReply("READONLY You can't write against a read only replica.");
export const NO_REPLICAS_ERROR = errorReply('NOREPLICAS Not enough good replicas to write.');

/** The node that serves `slot`, as clients reach it; an IPv6 address without brackets. */
export interface SlotAddress {
  readonly slot: number;
  readonly host: string;
  readonly port: number;
}

/** Ask that node from now on. */
export function movedError({ slot, host, port }: SlotAddress): ErrorReply {
  return errorReply(`MOVED ${slot} ${host}:${port}`);
}

/** Ask that node this once, with ASKING before. */
export function askError({ slot, host, port }: SlotAddress): ErrorReply {
  return errorReply(`ASK ${slot} ${host}:${port}`);
}

/** `fullName` is `get` or `client|setname`. */
export function wrongArityError(fullName: string): ErrorReply {
  return errorReply(`ERR wrong number of arguments for '${fullName}' command`);
}

export function invalidExpireError(fullName: string): ErrorReply {
  return errorReply(`ERR invalid expire time in '${fullName}' command`);
}

/**
 * Quotes the name and the beginning of the arguments. What is not UTF-8, or is cut within a character, shows as U+FFFD;
 * line ends are sent as spaces, as in every error. A NUL ends what is quoted, as it does in Redis.
 */
export function unknownCommandError(args: readonly Buffer[]): ErrorReply {
  let preview = '';
  let previewBytes = 0;
  for (let i = 1; i < args.length && previewBytes < ERROR_PREVIEW_BYTES_MAX; i++) {
    const shown = quoted(args[i] as Buffer, ERROR_PREVIEW_BYTES_MAX - previewBytes);
    preview += `'${shown.toString()}' `;
    previewBytes += shown.length + 3;
  }
  const name = quoted(args[0] as Buffer, ERROR_PREVIEW_BYTES_MAX).toString();
  return errorReply(`ERR unknown command '${name}', with args beginning with: ${preview}`);
}

/** `container` is `client`; REQUIRES: args[1] is the word that it does not know. */
export function unknownSubcommandError(container: string, args: readonly Buffer[]): ErrorReply {
  const word = quoted(args[1] as Buffer, ERROR_PREVIEW_BYTES_MAX).toString();
  return errorReply(`ERR unknown subcommand '${word}'. Try ${container.toUpperCase()} HELP.`);
}

function quoted(arg: Buffer, bytesMax: number): Buffer {
  const nul = arg.indexOf(0);
  const end = nul < 0 ? arg.length : nul;
  return arg.subarray(0, Math.min(end, bytesMax));
}
