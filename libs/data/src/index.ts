export { checkKey, checkOperation } from './check-operation.js';
export { decide, storageNeed } from './decide.js';
export type { Decision } from './decide.js';
export { isDecimal } from './decimal.js';
export { bufferOf } from './draft.js';
export type { DecisionView, Row } from './draft.js';
export { keysOf } from './keys-of.js';
export {
  BIT_FIELD_STEPS_MAX,
  BIT_SOURCES_MAX,
  CONDITION_VERSIONS_MAX,
  CONDITIONS_MAX,
  CONTENT_TYPE_BYTES_MAX,
  DECIMAL_TEXT_BYTES_MAX,
  KEY_BYTES_MAX,
  messageBytesMax,
  operationBytesMax,
  RECEIPT_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from './limits.js';
export type { DataLimits } from './limits.js';
export { decodeOperation, encodeOperation } from './operation-codec.js';
export type {
  Add,
  AddDecimal,
  Append,
  BitField,
  BitFieldStep,
  BitOperation,
  Clear,
  Condition,
  Copy,
  Delete,
  Expiry,
  ExpiryRule,
  Operation,
  Put,
  ReadOperation,
  SetBit,
  SetExpiry,
  SetRange,
  SingleWrite,
  Transaction,
  WriteOperation,
} from './operation.js';
export { decodeWhole, Malformed, PieceReader } from './piece-reader.js';
export { PieceWriter } from './piece-writer.js';
export { receiptOf } from './receipt.js';
export { decodeResult, encodeResult } from './result-codec.js';
export type { FailureReason, Result, StoredValue } from './result.js';
export { readStored, writeStored } from './stored-codec.js';
