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
  BIT_OFFSET_MAX,
  DEFAULT_REQUEST_LIMITS,
  EXPIRY_MS_MAX,
  GLOB_PATTERN_BYTES_MAX,
  LCS_CELLS_MAX,
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
export { countBits, findBit, parseBitCount, parseBitPos } from './bit-count.js';
export type { BitRange } from './bit-count.js';
export { parseBit, parseBitField, parseBitOffset } from './bit-field.js';
export type { BitFieldCommand } from './bit-field.js';
export { dumpPayload, restorePayload } from './dump-payload.js';
export type { Restored } from './dump-payload.js';
export { longestCommonSubsequence, parseLcsOptions } from './lcs.js';
export type { CommonRun, CommonSubsequence, LcsOptions } from './lcs.js';
export { rangeWithin } from './string-range.js';
export type { UnitRange } from './string-range.js';
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
  BIT_ERROR,
  BIT_OFFSET_ERROR,
  BITOP_NOT_ERROR,
  BUSY_KEY_ERROR,
  CLIENT_NAME_ERROR,
  CLUSTER_DISABLED_ERROR,
  CLUSTER_DOWN_ERROR,
  CROSS_SLOT_ERROR,
  CURSOR_ERROR,
  DB_INDEX_ERROR,
  DECREMENT_OVERFLOW_ERROR,
  DISCARD_WITHOUT_MULTI_ERROR,
  DUMP_CHECKSUM_ERROR,
  DUMP_FORMAT_ERROR,
  EXEC_ABORT_ERROR,
  EXEC_WITHOUT_MULTI_ERROR,
  FLOAT_ERROR,
  HELLO_WITHOUT_AUTH_ERROR,
  INTEGER_ERROR,
  invalidExpireError,
  LCS_TOO_LARGE_ERROR,
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
  SAME_KEY_ERROR,
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
