/** What the header parsers share: how they refuse, and the characters of RFC 9110, section 5.6. */
import { StoreError } from '@diststore/base';

/** A token, as a pattern's source. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** A quoted string with its quotes, as a pattern's source. */
export const QUOTED = '"(?:[^"\\\\]|\\\\.)*"';

/** At most this many characters of a header are repeated in a refusal. */
const SHOWN_CHARS_MAX = 80;

/** @param why completes the sentence "<name> is malformed: …", without a full stop. */
export function badHeader(name: string, text: string, why: string): StoreError {
  const shown = JSON.stringify(text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);
  return new StoreError('bad-request', `The header ${name} is malformed: ${why}. It is ${shown}.`, {
    facts: { header: name },
  });
}

/** The text of a quoted string, or `text` itself if it is none. */
export function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
}
