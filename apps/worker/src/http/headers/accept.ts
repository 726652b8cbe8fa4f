/**
 * Accept (RFC 9110, section 12.5.1), for the few choices there are: a value as it is or in a JSON envelope, a listing
 * as one page of JSON or as a stream of lines.
 *
 * Raw is what a client gets that has no preference: JSON must be named, and rank above the type that is stored.
 * Nothing is ever refused as not acceptable.
 */
import { badHeader, QUOTED, TOKEN, unquoted } from './header-syntax.js';

export interface MediaRange {
  /** In lower case; `*` for any. */
  readonly type: string;
  readonly subtype: string;
  /** Without `q`; names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  /** From 0 to 1. */
  readonly quality: number;
}

const ELEMENT = new RegExp(`[ \\t]*(?:(${TOKEN})/(${TOKEN})|(\\*))[ \\t]*`, 'y');
const PARAMETER = new RegExp(`;[ \\t]*(?:(${TOKEN})(?:=(${TOKEN}|${QUOTED}))?)?[ \\t]*`, 'y');
// Java's own client has sent `*; q=.2` for twenty years: both are taken for what they mean.
const QUALITY = /^(?:0?\.\d{0,3}|0|1(?:\.0{0,3})?)$/;

/** More in one header is no negotiation. Beyond: 400. */
export const MEDIA_RANGES_MAX = 64;

/** @throws StoreError bad-request */
export function parseAccept(text: string): readonly MediaRange[] {
  const ranges: MediaRange[] = [];
  let at = 0;
  while (at < text.length) {
    if (/[ \t,]/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    ELEMENT.lastIndex = at;
    const element = ELEMENT.exec(text);
    if (element === null) throw badHeader('Accept', text, `at character ${at + 1} there is no media range`);
    at = ELEMENT.lastIndex;
    const parameters = new Map<string, string>();
    let quality = 1;
    for (;;) {
      PARAMETER.lastIndex = at;
      const parameter = PARAMETER.exec(text);
      if (parameter === null) break;
      at = PARAMETER.lastIndex;
      const [, name, value = ''] = parameter;
      if (name === undefined) continue;
      if (name.toLowerCase() === 'q') quality = qualityOf(text, value);
      else parameters.set(name.toLowerCase(), unquoted(value));
    }
    if (at < text.length && text[at] !== ',')
      throw badHeader('Accept', text, `at character ${at + 1} a comma is missing`);
    if (ranges.length === MEDIA_RANGES_MAX)
      throw badHeader('Accept', text, `it has more than ${MEDIA_RANGES_MAX} media ranges`);
    ranges.push({
      type: (element[1] ?? '*').toLowerCase(),
      subtype: (element[2] ?? '*').toLowerCase(),
      parameters,
      quality,
    });
  }
  return ranges;
}

function qualityOf(text: string, value: string): number {
  if (!QUALITY.test(value))
    throw badHeader('Accept', text, 'a quality is not from 0 to 1 with up to three decimals');
  return Number(value);
}

/** How much `ranges` want `mediaType`: the quality of the most specific range that matches, 0 if none does. */
export function qualityFor(ranges: readonly MediaRange[], mediaType: string): number {
  const wanted = typeOf(mediaType);
  let best = { specificity: -1, quality: 0 };
  for (const range of ranges) {
    if (range.type !== '*' && range.type !== wanted.type) continue;
    if (range.subtype !== '*' && range.subtype !== wanted.subtype) continue;
    if (![...range.parameters].every(([name, value]) => wanted.parameters.get(name) === value.toLowerCase()))
      continue;
    const specificity =
      (range.type === '*' ? 0 : 1) + (range.subtype === '*' ? 0 : 1) + range.parameters.size;
    if (specificity > best.specificity) best = { specificity, quality: range.quality };
  }
  return best.quality;
}

/** Whether `accept` names the type `named` itself, and wants it more than `otherwise`. @throws StoreError bad-request */
export function prefers(accept: string | undefined, named: string, otherwise: string): boolean {
  // What nearly every request says, or leaves out.
  if (accept === undefined || accept === '*/*') return false;
  const ranges = parseAccept(accept);
  const isNamed = ranges.some(({ type, subtype }) => `${type}/${subtype}` === named);
  return isNamed && qualityFor(ranges, named) > qualityFor(ranges, otherwise);
}

function typeOf(mediaType: string): { type: string; subtype: string; parameters: Map<string, string> } {
  const [essence = '', ...rest] = mediaType.toLowerCase().split(';');
  const [type = '', subtype = ''] = essence.trim().split('/');
  const parameters = new Map(
    rest.map((parameter) => {
      const [name = '', value = ''] = parameter.trim().split('=');
      return [name, unquoted(value)] as const;
    }),
  );
  return { type, subtype, parameters };
}
