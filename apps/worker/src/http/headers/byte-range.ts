/**
 * Range and If-Range (RFC 9110, sections 14.1 and 13.1.5): one range of bytes, counted from the start or the end.
 *
 * A request for several ranges gets the whole value, which section 14.2 leaves to the server. A unit that is not
 * `bytes` is passed over, as it demands.
 */
import { parseEntityTags, versionOfTag } from './entity-tag.js';
import { badHeader } from './header-syntax.js';

export type ByteRange =
  /** `last` is included, and may lie beyond the end. */
  | { readonly type: 'from'; readonly first: number; readonly last: number }
  | { readonly type: 'suffix'; readonly bytes: number };

export interface Span {
  readonly first: number;
  /** Included. */
  readonly last: number;
}

/** @returns undefined: the header asks for nothing that is done here. @throws StoreError bad-request */
export function parseRange(text: string): ByteRange | undefined {
  const [, unit, set = ''] = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(.*)$/.exec(text) ?? [];
  if (unit === undefined) throw badHeader('Range', text, 'it is no unit, an equals sign and ranges');
  if (unit.toLowerCase() !== 'bytes') return undefined;
  const specs = set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  const ranges = specs.map((spec) => parseSpec(text, spec));
  if (ranges.length === 0) throw badHeader('Range', text, 'it names no range');
  return ranges.length === 1 ? ranges[0] : undefined;
}

function parseSpec(text: string, spec: string): ByteRange {
  const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
  if (first === undefined || last === undefined || first + last === '') {
    throw badHeader(
      'Range',
      text,
      `${JSON.stringify(spec.slice(0, 40))} is neither first-last, first- nor -suffix`,
    );
  }
  if (first === '') return { type: 'suffix', bytes: Number(last) };
  const range = { type: 'from' as const, first: Number(first), last: last === '' ? Infinity : Number(last) };
  if (range.last < range.first) throw badHeader('Range', text, 'the last byte comes before the first');
  return range;
}

/**
 * The bytes that `range` means of a value of `length` bytes. `whole` is what an empty value gives for a suffix: such a
 * range is satisfiable, and Content-Range cannot say it.
 */
export function spanOf(range: ByteRange, length: number): Span | 'unsatisfiable' | 'whole' {
  if (range.type === 'suffix') {
    if (range.bytes === 0) return 'unsatisfiable';
    return length === 0 ? 'whole' : { first: Math.max(0, length - range.bytes), last: length - 1 };
  }
  if (range.first >= length) return 'unsatisfiable';
  return { first: range.first, last: Math.min(range.last, length - 1) };
}

const MONTH = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
/** The three forms of RFC 9110, section 5.6.7. */
const HTTP_DATE = new RegExp(
  `^(?:[A-Z][a-z]{2}, \\d{2} (?:${MONTH}) \\d{4} [\\d:]{8} GMT|` +
    `[A-Z][a-z]{5,8}, \\d{2}-(?:${MONTH})-\\d{2} [\\d:]{8} GMT|` +
    `[A-Z][a-z]{2} (?:${MONTH}) [ \\d]\\d [\\d:]{8} \\d{4})$`,
);

/**
 * Whether a range may be answered with a part of the value with `version`, by strong comparison. Values have no
 * dates, so a date never matches.
 * @throws StoreError bad-request: neither one entity tag nor a date.
 */
export function ifRangeHolds(text: string, version: number): boolean {
  if (HTTP_DATE.test(text)) return false;
  const tags = parseEntityTags('If-Range', text);
  const [tag] = tags;
  if (tags === 'any' || tags.length > 1 || tag === undefined || typeof tag === 'string') {
    throw badHeader('If-Range', text, 'it is neither one entity tag nor a date');
  }
  return !tag.weak && versionOfTag(tag) === version;
}
