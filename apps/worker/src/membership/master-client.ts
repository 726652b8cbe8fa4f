/** Sends one message to the master, over HTTP with kept connections, and reads its answer. */
import { StoreError } from '@diststore/base';
import { request } from 'undici';

/** What the line to the master and the proposer need of it; tests put something else in its place. */
export interface MasterClient {
  /**
   * @returns the answer's JSON; undefined for an empty answer.
   * @throws StoreError worker-refused, with the facts `final` and `cluster`, as the master says them; an Error for every other answer
   *   that is no success, and when there is none within `timeoutMs`.
   */
  send(method: 'PUT' | 'POST', path: string, message: unknown, timeoutMs: number): Promise<unknown>;
}

export class HttpMasterClient implements MasterClient {
  constructor(private readonly masterUrl: string) {}

  async send(method: 'PUT' | 'POST', path: string, message: unknown, timeoutMs: number): Promise<unknown> {
    const answer = await request(new URL(path, this.masterUrl), {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      // A connection that is never accepted has no headers to wait for.
      signal: AbortSignal.timeout(2 * timeoutMs),
    });
    const text = await answer.body.text();
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    if (answer.statusCode < 300) return json;
    const problem = json as
      | { code?: unknown; detail?: unknown; final?: unknown; cluster?: unknown }
      | undefined;
    if (problem?.code === 'worker-refused') {
      const { final, cluster } = problem;
      throw new StoreError('worker-refused', String(problem.detail), { facts: { final, cluster } });
    }
    throw new Error(
      `it answered ${answer.statusCode}${typeof problem?.detail === 'string' ? `: ${problem.detail}` : ''}`,
    );
  }
}
