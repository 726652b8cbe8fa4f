/**
 * A request that has arrived whole, in one piece, read without Node's parser and its streams.
 *
 * A strict subset of RFC 9112: only what can mean one thing is read here, and one request to a piece. Everything else,
 * wrong or merely rare, is left to Node's parser, which so decides alone what is an error, what is a body and where the
 * next request begins. So there is nothing to smuggle: two readers never read the same bytes.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ParsedUrlQuery } from 'node:querystring';

import type { CallRequest } from '../direct-request.js';
import { parseQuery } from '../query-string.js';
import { queryOf } from '../request-target.js';
import { NO_PARAMS } from '../route-table.js';
import type { Params } from '../route-table.js';

/** Request line and headers together. More is left to Node's parser: it is rare, and may be too much. */
const HEAD_BYTES_MAX = 4096;
const HEAD_END = '\r\n\r\n';
const SPACE = 32;

/**
 * Origin form and no fragment: what request-target.ts leaves as it is. No tabs: Node's parser takes one around most
 * values, and refuses it after some.
 */
const HEAD =
  /^([A-Z]+) (\/[!"$-~]*) HTTP\/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\x20-\x7e\x80-\xff]*\r\n)+)$/;
const LENGTH = /^\d{1,10}$/;

export class WholeRequest implements CallRequest {
  params: Params = NO_PARAMS;

  /** @param body a view into what was received; it belongs to whoever handles the request. */
  constructor(
    readonly method: string,
    readonly url: string,
    readonly headers: IncomingHttpHeaders,
    readonly body: Buffer,
  ) {}

  /** @throws as parseQuery */
  get query(): ParsedUrlQuery {
    return parseQuery(queryOf(this.url));
  }
}

/**
 * The request that `bytes` are, from the first to the last; undefined when Node's parser is to look at them.
 * @param headBytesMax what the server takes; more than HEAD_BYTES_MAX is never read here.
 */
export function wholeRequestIn(bytes: Buffer, headBytesMax = HEAD_BYTES_MAX): WholeRequest | undefined {
  const headEnd = bytes.indexOf(HEAD_END, 0, 'latin1');
  if (headEnd === -1 || headEnd > Math.min(HEAD_BYTES_MAX, headBytesMax)) return undefined;
  const [, method, url, lines] = HEAD.exec(bytes.toString('latin1', 0, headEnd + 2)) ?? [];
  if (method === undefined || url === undefined || lines === undefined) return undefined;
  const headers = headersIn(lines);
  if (headers === undefined || !isPlain(headers)) return undefined;
  const bodyStart = headEnd + HEAD_END.length;
  if (bytes.length - bodyStart !== bodyBytes(headers)) return undefined;
  return new WholeRequest(method, url, headers, bytes.subarray(bodyStart));
}

/** By name in lower case; undefined when one occurs twice, for which there are rules, or has a name that objects have. */
function headersIn(lines: string): IncomingHttpHeaders | undefined {
  const headers: Record<string, string> = {};
  let at = 0;
  while (at < lines.length) {
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\r', colon);
    const name = lines.slice(at, colon).toLowerCase();
    if (headers[name] !== undefined) return undefined;
    headers[name] = trimmed(lines, colon + 1, end);
    at = end + 2;
  }
  return headers;
}

/** Without the spaces around it, and only those: `trim` knows of more. */
function trimmed(lines: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && lines.charCodeAt(start) === SPACE) start += 1;
  while (end > start && lines.charCodeAt(end - 1) === SPACE) end -= 1;
  return lines.slice(start, end);
}

/** Whether nothing is asked of the connection but to go on, and the body, if any, has a length. */
function isPlain(headers: IncomingHttpHeaders): boolean {
  const { host, connection } = headers;
  return (
    host !== undefined &&
    (connection === undefined || connection.toLowerCase() === 'keep-alive') &&
    headers['transfer-encoding'] === undefined &&
    headers.expect === undefined &&
    headers.upgrade === undefined &&
    headers.trailer === undefined &&
    // Node's parser reads it as Connection.
    headers['proxy-connection'] === undefined &&
    // Node makes a list of it.
    headers['set-cookie'] === undefined
  );
}

/** -1: that is no length. */
function bodyBytes(headers: IncomingHttpHeaders): number {
  const length = headers['content-length'];
  if (length === undefined) return 0;
  return LENGTH.test(length) ? Number(length) : -1;
}
