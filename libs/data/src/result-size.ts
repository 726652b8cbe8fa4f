/** What of a result can be large: values and numbers. Everything else has a fixed small size. */
import type { Result, StoredValue } from './result.js';

export function payloadBytesOf(result: Result): number {
  switch (result.type) {
    case 'value':
      return recordBytes(result.record);
    case 'stored':
    case 'deleted':
    case 'refused':
      return recordBytes(result.old);
    case 'number':
      return result.number.length;
    case 'numbers':
      return result.numbers.reduce((sum, number) => sum + 2 + (number?.length ?? 0), 0);
    default:
      return 0;
  }
}

function recordBytes(record: StoredValue | undefined): number {
  return record === undefined ? 0 : record.payload.length + (record.contentType?.length ?? 0);
}
