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
/** Header lines that a connection keeps to compare the next ones with. */
const REMEMBERED_BYTES_MAX = 1024;
const HEAD_END = '\r\n\r\n';
const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;
const SPACE = 32;

/** Origin form and no fragment: what request-target.ts leaves as it is. */
const REQUEST_LINE = /^([A-Z]+) (\/[!"$-~]*) HTTP\/1\.1$/;
/** No tabs: Node's parser takes one around most values, and refuses it after some. */
const HEADER_LINES = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\x20-\x7e\x80-\xff]*\r\n)+$/;
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

/** What the header lines of a request say. */
interface ReadHeaders {
  /** From the end of the request line to the body; a copy. */
  readonly lines: Buffer;
  readonly headers: IncomingHttpHeaders;
  readonly bodyBytes: number;
}

/**
 * Reads the requests of one connection, one after the other. Most clients send the same header lines with every
 * request: those are compared instead of read again, and their headers are one object, which is frozen.
 */
export class WholeRequestReader {
  private readonly headBytesMax: number;
  private last: ReadHeaders | undefined = undefined;

  /** @param headBytesMax what the server takes; more than HEAD_BYTES_MAX is never read here. */
  constructor(headBytesMax = HEAD_BYTES_MAX) {
    this.headBytesMax = Math.min(HEAD_BYTES_MAX, headBytesMax);
  }

  /** The request that `bytes` are, from the first to the last; undefined when Node's parser is to look at them. */
  read(bytes: Buffer): WholeRequest | undefined {
    const lineEnd = bytes.indexOf(CARRIAGE_RETURN);
    const head = this.repeated(bytes, lineEnd) ?? this.readHeaders(bytes, lineEnd);
    if (head === undefined) return undefined;
    const bodyStart = lineEnd + head.lines.length;
    if (bytes.length - bodyStart !== head.bodyBytes) return undefined;
    const [, method, url] = REQUEST_LINE.exec(bytes.toString('latin1', 0, lineEnd)) ?? [];
    if (method === undefined || url === undefined) return undefined;
    return new WholeRequest(method, url, head.headers, bytes.subarray(bodyStart));
  }

  private repeated(bytes: Buffer, lineEnd: number): ReadHeaders | undefined {
    const { last } = this;
    if (last === undefined) return undefined;
    const { lines } = last;
    const to = lineEnd + lines.length;
    // Equal bytes end with the first empty line here as they did there.
    if (lineEnd === -1 || to > bytes.length || to - HEAD_END.length > this.headBytesMax) return undefined;
    return bytes.compare(lines, 0, lines.length, lineEnd, to) === 0 ? last : undefined;
  }

  private readHeaders(bytes: Buffer, lineEnd: number): ReadHeaders | undefined {
    const headEnd = bytes.indexOf(HEAD_END, 0, 'latin1');
    // With the end of the request line before that of the head there is at least one header.
    if (headEnd === -1 || headEnd === lineEnd || headEnd > this.headBytesMax) return undefined;
    if (bytes[lineEnd + 1] !== LINE_FEED) return undefined;
    const text = bytes.toString('latin1', lineEnd + 2, headEnd + 2);
    const headers = HEADER_LINES.test(text) ? headersIn(text) : undefined;
    if (headers === undefined || !isPlain(headers)) return undefined;
    const lines = Buffer.from(bytes.subarray(lineEnd, headEnd + HEAD_END.length));
    const read = { lines, headers: Object.freeze(headers), bodyBytes: bodyBytesOf(headers) };
    if (lines.length <= REMEMBERED_BYTES_MAX) this.last = read;
    return read;
  }
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
function bodyBytesOf(headers: IncomingHttpHeaders): number {
  const length = headers['content-length'];
  if (length === undefined) return 0;
  return LENGTH.test(length) ? Number(length) : -1;
}
