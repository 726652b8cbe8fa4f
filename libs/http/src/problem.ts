/**
 * Any error as a problem (RFC 9457): what a client is told, by one pure function for every way an answer can be
 * written. The table in libs/base decides status, title, remedy and whether a retry helps.
 *
 * Invariant: an error that this project did not write says nothing but `internal`; neither its message nor its
 * stack leaves the process.
 */
import { STATUS_CODES } from 'node:http';

import { HttpException } from '@nestjs/common';

import { ERRORS, isStoreError } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';

import { Reply } from './reply.js';

/** The members of RFC 9457, ours, and then the facts of the error under their own names. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly remedy: string;
  readonly [fact: string]: unknown;
}

const PROBLEM_TYPE = 'application/problem+json';
/** Seconds after which a busy or unavailable service is worth another try: about one failover at default timing. */
const RETRY_AFTER_S = 1;

/** What the statuses of Nest's and Express's own errors mean here. Others of 4xx are `bad-request`. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'route-not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'value-too-large',
  415: 'unsupported-content-encoding',
  429: 'too-many-requests',
  431: 'headers-too-large',
  503: 'retry-later',
};

/** Never throws, whatever `error` is. */
export function problemOf(error: unknown): Problem {
  if (isStoreError(error)) return problem(error.code, error.message, error.facts);
  if (error instanceof HttpException) {
    const status = error.getStatus();
    const code = CODE_OF_STATUS[status] ?? (status >= 400 && status < 500 ? 'bad-request' : undefined);
    if (code !== undefined) return { ...problem(code, error.message), status };
  }
  return problem('internal', 'The log of this process says more.');
}

export function problem(
  code: ErrorCode,
  detail: string,
  facts: Readonly<Record<string, unknown>> = {},
): Problem {
  const { status, title, retryable, remedy } = ERRORS[code];
  const type = `urn:diststore:error:${code}`;
  return { ...facts, type, title, status, detail, code, retryable, remedy };
}

/**
 * `allow`, a fact of method-not-allowed, becomes the Allow header as well. A body in an encoding that is not taken
 * is told which one is (RFC 9110, 15.5.16).
 */
export function problemReply(about: Problem): Reply {
  const headers: (string | number)[] = ['Content-Type', PROBLEM_TYPE, 'Cache-Control', 'no-store'];
  if (about.status === 429 || about.status === 503) headers.push('Retry-After', RETRY_AFTER_S);
  if (Array.isArray(about['allow'])) headers.push('Allow', about['allow'].join(', '));
  if (about.code === 'unsupported-content-encoding') headers.push('Accept-Encoding', 'identity');
  return new Reply(about.status, headers, problemJson(about));
}

/** The whole answer as bytes, for a connection on which no HTTP response object exists. It announces the close. */
export function rawProblem(about: Problem): string {
  const { headers, body } = problemReply(about);
  const lines = [`HTTP/1.1 ${about.status} ${STATUS_CODES[about.status] ?? ''}`, 'Connection: close'];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i] ?? ''}: ${headers[i + 1] ?? ''}`);
  lines.push(`Content-Length: ${Buffer.byteLength(body ?? '')}`);
  return `${lines.join('\r\n')}\r\n\r\n${body as string}`;
}

/** Facts come from many hands; one without a JSON form must not cost the answer. */
function problemJson(about: Problem): string {
  try {
    return JSON.stringify(about, (_name, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
  } catch {
    const { type, title, status, detail, code, retryable, remedy } = about;
    return JSON.stringify({ type, title, status, detail, code, retryable, remedy });
  }
}
