/** Prefer (RFC 7240), of which one preference is known here: `return=minimal`. All others are passed over. */
import { badHeader, QUOTED, TOKEN, unquoted } from './header-syntax.js';

const VALUE = `(?:${TOKEN}|${QUOTED})`;
const PARAMETER = `[ \\t]*;[ \\t]*(?:${TOKEN}(?:[ \\t]*=[ \\t]*${VALUE}?)?)?`;
const PREFERENCE = new RegExp(`(${TOKEN})(?:[ \\t]*=[ \\t]*(${VALUE})?)?(?:${PARAMETER})*[ \\t]*`, 'y');

/** Whether the client wants no receipt. Of several `return` preferences the first counts. @throws StoreError bad-request */
export function prefersMinimal(text: string | undefined): boolean {
  if (text === undefined) return false;
  let returned: string | undefined;
  let at = 0;
  while (at < text.length) {
    if (/[ \t,]/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    PREFERENCE.lastIndex = at;
    const found = PREFERENCE.exec(text);
    if (found === null) throw badHeader('Prefer', text, `at character ${at + 1} there is no preference`);
    at = PREFERENCE.lastIndex;
    if (at < text.length && text[at] !== ',')
      throw badHeader('Prefer', text, `at character ${at + 1} a comma is missing`);
    if (found[1]?.toLowerCase() === 'return') returned ??= unquoted(found[2] ?? '').toLowerCase();
  }
  return returned === 'minimal';
}
