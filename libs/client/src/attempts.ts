/**
 * Sends one request until it is answered for good or its deadline has passed: to the next endpoint when one does not
 * answer, after a pause when the store says that it is busy.
 *
 * Sending again is safe for reads, and for writes because they carry an Idempotency-Key: an answer that was lost, and
 * one that says that the outcome is unknown, are asked for again under the same name.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { Pool } from 'undici';

import { DistStoreError, errorOf } from './error.js';

export interface Ask {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface AttemptsOptions {
  /** Origins, such as http://127.0.0.1:5001. At least one. */
  readonly endpoints: readonly string[];
  /** For one attempt, from its sending to the last byte of its answer. */
  readonly attemptTimeoutMs: number;
  /** Connections to one endpoint. */
  readonly connections: number;
}

/** Pauses double from the first to the second, with as much again by chance. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 2000;
/** With less time than this before the deadline nothing is sent any more: no answer would come, and a write be in doubt. */
const ATTEMPT_MS_MIN = 10;

export class Attempts {
  private readonly pools: readonly Pool[];
  /** The endpoint that answered last. */
  private current = 0;

  constructor(private readonly options: AttemptsOptions) {
    if (options.endpoints.length === 0) throw new TypeError('A client needs at least one endpoint.');
    this.pools = options.endpoints.map(
      (endpoint) => new Pool(endpoint, { connections: options.connections }),
    );
  }

  /**
   * The answer, of a status below 400.
   * @throws DistStoreError: the store's refusal. At the deadline: `outcome-unknown` for a write that was sent and not
   *   answered; otherwise the last refusal, or `unreachable`. What `signal` gives as its reason when it is aborted.
   */
  async send(ask: Ask, deadlineMs: number, signal: AbortSignal | undefined): Promise<Answer> {
    const until = performance.now() + deadlineMs;
    let refusal: DistStoreError | undefined;
    let failure: unknown;
    let mayBeDone = false;
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      const leftMs = until - performance.now();
      if (leftMs < ATTEMPT_MS_MIN) throw mayBeDone ? unknown(failure) : (refusal ?? unreachable(failure));
      const endpoint = this.current;
      const outcome = await this.once(
        endpoint,
        ask,
        Math.min(leftMs, this.options.attemptTimeoutMs),
        signal,
      ).catch((cause: unknown) => ({ cause }));
      let pauseMs = 0;
      if ('cause' in outcome) {
        signal?.throwIfAborted();
        failure = outcome.cause;
        mayBeDone ||= ask.method !== 'GET' && !wasNeverSent(failure);
      } else {
        if (outcome.status < 400) return outcome;
        refusal = errorOf(outcome.status, outcome.body);
        const isUnknown = refusal.code === 'outcome-unknown';
        if (!refusal.retryable && !isUnknown) throw refusal;
        mayBeDone ||= isUnknown && ask.method !== 'GET';
        pauseMs = retryAfterMs(outcome);
      }
      // Another call may have gone on to the next one already.
      if (this.current === endpoint) this.current = (endpoint + 1) % this.pools.length;
      // All endpoints are tried once without a pause; then there is time.
      const isRound = (attempt + 1) % this.pools.length === 0;
      const backoffMs =
        Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(10, attempt)) * (1 + Math.random());
      const waitMs = Math.min(isRound ? Math.max(backoffMs, pauseMs) : 0, until - performance.now());
      if (waitMs > 0)
        await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()));
  }

  private async once(
    endpoint: number,
    ask: Ask,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const timeout = AbortSignal.timeout(Math.ceil(timeoutMs));
    const { statusCode, headers, body } = await (this.pools[endpoint] as Pool).request({
      method: ask.method,
      path: ask.target,
      headers: ask.headers ?? {},
      body: ask.body ?? null,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  }
}

function retryAfterMs({ headers }: Answer): number {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 0;
}

/** Whether there was no connection to send anything over. */
function wasNeverSent(failure: unknown): boolean {
  const code =
    typeof failure === 'object' && failure !== null && 'code' in failure ? failure.code : undefined;
  return ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(String(code));
}

function unreachable(cause: unknown): DistStoreError {
  return new DistStoreError('unreachable', 'No endpoint answered before the deadline.', {
    retryable: true,
    cause,
  });
}

function unknown(cause: unknown): DistStoreError {
  const message =
    'The write was sent, and whether it was done is not known: no answer came before the deadline. ' +
    'It is safe to send again under the same idempotencyKey.';
  return new DistStoreError('outcome-unknown', message, { cause });
}
