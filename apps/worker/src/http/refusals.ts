/**
 * Refusals that only HTTP knows: answers of the protocol, where the errors of libs/base are what any interface can
 * meet. They look the same to a client: a problem document with a stable code.
 */
import type { FailureReason } from '@diststore/data';
import { Reply } from '@diststore/http';

interface Refusal {
  readonly status: number;
  readonly title: string;
  readonly remedy: string;
}

/** Wire names, never rename. None is worth sending again unchanged. */
export const REFUSALS = {
  'not-an-integer': {
    status: 409,
    title: 'The value is no decimal integer of 64 bits.',
    remedy: 'Store an integer first, or count under another key.',
  },
  'not-a-number': {
    status: 409,
    title: 'The value is no decimal number.',
    remedy: 'Store a number first, or count under another key.',
  },
  overflow: {
    status: 409,
    title: 'The sum does not fit 64 bits.',
    remedy: 'Store a smaller number first.',
  },
  'not-finite': {
    status: 409,
    title: 'The sum is not a finite number.',
    remedy: 'Store a smaller number first.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The value has no byte of the range that was asked for.',
    remedy: 'Ask for a range within the length that Content-Range names.',
  },
} as const satisfies Record<string, Refusal>;

export type RefusalCode = keyof typeof REFUSALS;

export interface RefusalBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: RefusalCode;
  readonly retryable: false;
  readonly remedy: string;
}

export function refusal(code: RefusalCode, detail: string): RefusalBody {
  const { status, title, remedy } = REFUSALS[code];
  return { type: `urn:diststore:error:${code}`, title, status, detail, code, retryable: false, remedy };
}

export function refusalReply(body: RefusalBody, headers: readonly (string | number)[] = []): Reply {
  const all = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store', ...headers];
  return new Reply(body.status, all, JSON.stringify(body));
}

/** Why an operation cannot be done with the value that is there; `too-large` is the store's own error. */
export function failureRefusal(reason: Exclude<FailureReason, 'too-large'>): RefusalBody {
  return refusal(reason, REFUSALS[reason].title);
}
