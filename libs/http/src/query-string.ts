/**
 * The query of a request target as names and values, as HTML forms encode them (`+` is a space), read strictly: what
 * is not percent-encoded UTF-8 is refused rather than taken for something else. Used on both request paths.
 *
 * Not for what a parameter may say, which is up to the route.
 */
import { parse } from 'node:querystring';
import type { ParsedUrlQuery } from 'node:querystring';

import { StoreError } from '@diststore/base';

const SHOWN_CHARS_MAX = 80;
/** Of nearly all requests, so it is not made anew for each. */
const NO_QUERY: ParsedUrlQuery = Object.freeze(Object.create(null) as ParsedUrlQuery);

/**
 * A name that occurs twice has an array. @param query without the `?`; nullish if there is none.
 * @throws StoreError bad-parameter: a name or a value is not percent-encoded UTF-8.
 */
export function parseQuery(query: string | null | undefined): ParsedUrlQuery {
  if (query === undefined || query === null || query === '') return NO_QUERY;
  if (query.includes('%')) query.split('&').forEach(checkEncoding);
  return parse(query);
}

function checkEncoding(pair: string): void {
  try {
    decodeURIComponent(pair);
  } catch {
    const parameter = (pair.split('=', 1)[0] as string).slice(0, SHOWN_CHARS_MAX);
    throw new StoreError('bad-parameter', `${parameter} is not percent-encoded UTF-8.`, {
      facts: { parameter },
    });
  }
}
