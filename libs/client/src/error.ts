/** What a call rejects with: the problem document of the answer, or what stood between. Match on `code`. */
import type { ErrorCode } from '@diststore/base';

/** `unreachable`: no endpoint answered before the deadline. Other codes may come from a newer server. */
export type ClientErrorCode = ErrorCode | 'unreachable' | (string & {});

export class DistStoreError extends Error {
  override readonly name = 'DistStoreError';

  constructor(
    readonly code: ClientErrorCode,
    message: string,
    readonly options: {
      /** Of the answer; undefined: there was none. */
      readonly status?: number;
      /** Whether the very same request may succeed later. */
      readonly retryable?: boolean;
      /** All members of the problem document, limits and versions among them. */
      readonly problem?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
  }

  get status(): number | undefined {
    return this.options.status;
  }

  get retryable(): boolean {
    return this.options.retryable ?? false;
  }

  get problem(): Readonly<Record<string, unknown>> {
    return this.options.problem ?? {};
  }

  /** Of `precondition-failed`: the version that is stored; undefined: there is no value. */
  get version(): number | undefined {
    const { version } = this.problem;
    return typeof version === 'number' ? version : undefined;
  }
}

/** Whether `error` is one of this client's, with this code if one is given. */
export function isDistStoreError(error: unknown, code?: ClientErrorCode): error is DistStoreError {
  return error instanceof DistStoreError && (code === undefined || error.code === code);
}

/** The error that an answer of status 400 or more stands for. Never throws, whatever the body is. */
export function errorOf(status: number, body: Buffer): DistStoreError {
  let problem: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) problem = parsed as Record<string, unknown>;
  } catch {
    // Something between here and the store has answered, in its own way.
  }
  const { code, detail, title, retryable } = problem;
  const message =
    [detail, title].find((text) => typeof text === 'string') ?? `The answer has status ${status}.`;
  return new DistStoreError(typeof code === 'string' ? code : `http-${status}`, message, {
    status,
    retryable: typeof retryable === 'boolean' ? retryable : status === 429 || status >= 502,
    problem,
  });
}
