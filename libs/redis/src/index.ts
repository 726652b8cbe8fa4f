export { detach } from './input-buffer.js';
export { RequestDecoder } from './request-decoder.js';
export type { CrossProtocolRequest, Request, RequestDecoderResult } from './request-decoder.js';
export type { ProtocolError } from './protocol-error.js';
export { ReplyEncoder, ChunkPool } from './reply-encoder.js';
export type { RespVersion } from './reply-encoder.js';
export { ReplyDecoder } from './reply-decoder.js';
export {
  array,
  bulk,
  errorReply,
  integer,
  map,
  NULL_ARRAY_REPLY,
  NULL_REPLY,
  OK_REPLY,
  set,
  simple,
} from './reply.js';
export type { BulkReply, ErrorReply, IntegerReply, Reply, SimpleReply } from './reply.js';
export { formatDouble } from './double-text.js';

export {
  DEFAULT_REPLY_LIMITS,
  DEFAULT_REQUEST_LIMITS,
  EXPIRY_MS_MAX,
  GLOB_PATTERN_BYTES_MAX,
  SCAN_COUNT_MAX,
  UNAUTHENTICATED_REQUEST_LIMITS,
} from './limits.js';
export type { ReplyLimits, RequestLimits } from './limits.js';

export { ALL_COMMANDS, CommandTable, hasArity, keysOf } from './command-table.js';
export type { Command } from './command.js';
export type { AclCategory, CommandFlag, CommandGroup, CommandSpec } from './command-spec.js';
export { ACL_CATEGORIES } from './command-spec.js';
export {
  commandCountReply,
  commandDocsReply,
  commandGetKeysAndFlagsReply,
  commandGetKeysReply,
  commandInfoReply,
  commandListReply,
  commandReply,
  helpReply,
} from './command-introspection.js';
export { keyPositions } from './key-spec.js';
export type { KeyFlag, KeyPosition, KeyRange, KeySpec } from './key-spec.js';

export { equalsIgnoringCase } from './ascii.js';
export { NameIndex } from './name-index.js';
export { addInt64, INT64_MAX, INT64_MIN, parseInt64, toInt64 } from './int64.js';
export type { Int64 } from './int64.js';
export { incrementByFloat } from './decimal.js';
export {
  MILLISECONDS,
  parseDeadline,
  parseExpiry,
  SECONDS,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
} from './expiry.js';
export type { ExpiryContext, ExpiryForm } from './expiry.js';
export { parseExpireCondition, permitsExpiry } from './expire-options.js';
export type { ExpireCondition } from './expire-options.js';
export { parseGetExOptions } from './getex-options.js';
export type { GetExOptions } from './getex-options.js';
export { parseSetOptions } from './set-options.js';
export type { SetCondition, SetOptions } from './set-options.js';
export { parsePattern, parseScanOptions } from './scan-options.js';
export type { ScanOptions } from './scan-options.js';
export { Glob } from './glob.js';
export { parsed, refused } from './parsed.js';
export type { Parsed } from './parsed.js';
export {
  askError,
  CLIENT_NAME_ERROR,
  CLUSTER_DISABLED_ERROR,
  CLUSTER_DOWN_ERROR,
  CROSS_SLOT_ERROR,
  CURSOR_ERROR,
  DB_INDEX_ERROR,
  DECREMENT_OVERFLOW_ERROR,
  DISCARD_WITHOUT_MULTI_ERROR,
  EXEC_ABORT_ERROR,
  EXEC_WITHOUT_MULTI_ERROR,
  FLOAT_ERROR,
  HELLO_WITHOUT_AUTH_ERROR,
  INTEGER_ERROR,
  invalidExpireError,
  LOADING_ERROR,
  movedError,
  NAN_OR_INFINITY_ERROR,
  NESTED_MULTI_ERROR,
  NO_AUTH_ERROR,
  NO_PROTO_ERROR,
  NO_REPLICAS_ERROR,
  NO_SUCH_KEY_ERROR,
  OFFSET_ERROR,
  OUT_OF_MEMORY_ERROR,
  OVERFLOW_ERROR,
  READ_ONLY_ERROR,
  SELECT_IN_CLUSTER_ERROR,
  SLOT_NOT_SERVED_ERROR,
  SYNTAX_ERROR,
  TRY_AGAIN_ERROR,
  unknownCommandError,
  unknownSubcommandError,
  VALUE_TOO_LARGE_ERROR,
  WATCH_INSIDE_MULTI_ERROR,
  WRONG_PASS_ERROR,
  WRONG_TYPE_ERROR,
  wrongArityError,
} from './redis-errors.js';
export type { SlotAddress } from './redis-errors.js';
