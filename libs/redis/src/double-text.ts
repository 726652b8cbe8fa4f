/**
 * Doubles as the protocol writes them: the shortest text that reads back as the same number, `inf`, `-inf`, `nan`.
 * Source: RESP3 specification, "Double".
 */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Undefined when `text` is not a double of the protocol. */
export function parseDouble(text: string): number | undefined {
  switch (text) {
    case 'inf':
      return Infinity;
    case '-inf':
      return -Infinity;
    case 'nan':
    case '-nan':
      return NaN;
    default:
      return /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text) ? Number(text) : undefined;
  }
}
