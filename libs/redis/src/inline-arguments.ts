/**
 * Splits an inline command ("SET key 'a value'", as typed into telnet) into arguments, by Redis's rules:
 *
 * - white space separates; an argument ends at a space, tab, CR or LF;
 * - "double quotes" know \n \r \t \b \a and \xHH, and \ before any other byte stands for that byte;
 * - 'single quotes' know only \';
 * - a closing quote must be followed by white space or the end of the line.
 *
 * A NUL is an ordinary byte here, where Redis, reading a C string, would wait for ever.
 *
 * Source: the behaviour of redis-server 7 (the inline form is described only roughly in the RESP specification).
 */
import { BACKSLASH, CR, DOUBLE_QUOTE, LF, SINGLE_QUOTE, SPACE, TAB } from './ascii.js';

/** White space of the C locale. */
function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

/** What ends an argument outside quotes. Vertical tab and form feed do not, although they count as white space. */
function endsWord(byte: number): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const folded = byte | 0x20;
  return folded >= 0x61 && folded <= 0x66 ? folded - 0x61 + 10 : -1;
}

/** What a backslash before `byte` stands for inside double quotes. */
function unescaped(byte: number): number {
  switch (byte) {
    case 0x6e: // n
      return LF;
    case 0x72: // r
      return CR;
    case 0x74: // t
      return TAB;
    case 0x62: // b
      return 0x08;
    case 0x61: // a
      return 0x07;
    default:
      return byte;
  }
}

/**
 * The arguments of `line`, none for a line of white space; undefined when quotes are unbalanced. Arguments are views
 * of one copy of the line. REQUIRES: `line` is without its line end, and bounded by the caller.
 */
export function splitInlineArguments(line: Buffer): Buffer[] | undefined {
  const args: Buffer[] = [];
  // Unescaping only shortens, so the decoded arguments fit in as many bytes as the line has.
  const decoded = Buffer.allocUnsafeSlow(line.length);
  let written = 0;
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at] as number)) at++;
    if (at >= line.length) return args;
    const start = written;
    let quote = 0;
    for (; at < line.length; at++) {
      const byte = line[at] as number;
      if (quote === 0) {
        if (endsWord(byte)) break;
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte;
        else decoded[written++] = byte;
      } else if (byte === quote) {
        const next = line[at + 1];
        if (next !== undefined && !isSpace(next)) return undefined;
        quote = 0;
        at++;
        break;
      } else if (byte === BACKSLASH && quote === DOUBLE_QUOTE && at + 1 < line.length) {
        const high = line[at + 1] === 0x78 ? hexDigit(line[at + 2]) : -1;
        const low = high < 0 ? -1 : hexDigit(line[at + 3]);
        if (low >= 0) {
          decoded[written++] = high * 16 + low;
          at += 3;
        } else {
          decoded[written++] = unescaped(line[at + 1] as number);
          at += 1;
        }
      } else if (byte === BACKSLASH && quote === SINGLE_QUOTE && line[at + 1] === SINGLE_QUOTE) {
        decoded[written++] = SINGLE_QUOTE;
        at += 1;
      } else {
        decoded[written++] = byte;
      }
    }
    if (quote !== 0) return undefined;
    args.push(decoded.subarray(start, written));
  }
}
