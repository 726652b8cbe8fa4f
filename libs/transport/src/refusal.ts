/**
 * Why a worker does not talk to another, and how it says so. The side that dials in is told by an HTTP answer with a
 * problem (RFC 9457) instead of the 101; the side that was dialled by a frame, since its 101 is sent already.
 *
 * What a peer says is shown to people: it is cut short, and control characters are taken out.
 */
import { ERRORS } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';

/** On the wire, never rename. */
export type RefusalCode =
  /** The hello cannot be read. */
  | 'malformed'
  /** No protocol version that both speak. */
  | 'version'
  | 'wrong-cluster'
  /** The one that was dialled is not the one that answers. */
  | 'wrong-worker'
  /** It claims the index of the very worker it talks to. */
  | 'same-worker'
  /** A later start of this store has been seen. */
  | 'older-boot'
  /** Another process has been seen on the same start of this store: its disk is a copy, or was rolled back. */
  | 'other-process'
  | 'unknown-channel'
  /** The host's own reason. */
  | 'not-admitted'
  | 'too-many'
  | 'closing';

export interface Refusal {
  readonly code: RefusalCode;
  /** One sentence with the facts, for both logs. */
  readonly detail: string;
}

/** Of a text by a peer, in characters. */
const QUOTED_LENGTH_MAX = 300;

export function refusal(code: RefusalCode, detail: string): Refusal {
  return { code, detail };
}

/** The whole HTTP answer, which announces the close of the connection. */
export function refusalResponse(about: Refusal): string {
  const code = errorCodeOf(about.code);
  const { status, title, retryable, remedy } = ERRORS[code];
  const body = JSON.stringify({
    type: `urn:diststore:error:${code}`,
    title,
    status,
    detail: about.detail,
    code,
    retryable,
    remedy,
    refusal: about.code,
  });
  const lines = [
    `HTTP/1.1 ${status} Refused`,
    'Connection: close',
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  if (status === 503) lines.push('Retry-After: 1');
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** What the body of an answer other than 101 says, for a log. */
export function detailOfResponse(status: number, body: string): string {
  let detail: unknown;
  try {
    detail = (JSON.parse(body) as { detail?: unknown } | null)?.detail;
  } catch {
    // Not JSON, so not one of ours.
  }
  return typeof detail === 'string' ? quoted(detail) : `answered ${status} instead of 101`;
}

/** A peer's text as it may stand in a log. */
export function quoted(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, QUOTED_LENGTH_MAX).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

function errorCodeOf(code: RefusalCode): ErrorCode {
  switch (code) {
    case 'malformed':
    case 'unknown-channel':
      return 'bad-request';
    case 'too-many':
      return 'retry-later';
    case 'closing':
      return 'draining';
    default:
      return 'worker-refused';
  }
}
