/**
 * What is kept of a result, so that a request that comes again is answered without being done again: the result
 * without the records in it, which may be large and may be gone by then.
 */
import { RECEIPT_BYTES_MAX } from './limits.js';
import { encodeResult } from './result-codec.js';
import type { Result } from './result.js';

/**
 * The receipt, as `decodeResult` reads it: at most RECEIPT_BYTES_MAX. `old` is undefined in it, `value` holds no record,
 * and where it would be longer still, `results` of the transaction or `numbers` are empty: it happened, and this is
 * the version.
 */
export function receiptOf(result: Result): Uint8Array {
  const bytes = Buffer.concat(encodeResult(withoutRecords(result)));
  return bytes.length <= RECEIPT_BYTES_MAX ? bytes : Buffer.concat(encodeResult(withoutList(result)));
}

function withoutRecords(result: Result): Result {
  switch (result.type) {
    case 'value':
      return { type: 'value', record: undefined };
    case 'stored':
    case 'deleted':
    case 'refused':
      return result.old === undefined ? result : { ...result, old: undefined };
    case 'transaction':
      return { ...result, results: result.results.map(withoutRecords) };
    default:
      return result;
  }
}

/** No other result than these two is long. */
function withoutList(result: Result): Result {
  switch (result.type) {
    case 'transaction':
      return { ...result, results: [] };
    case 'numbers':
      return { ...result, numbers: [] };
    default:
      return result;
  }
}
