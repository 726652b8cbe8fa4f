/**
 * HTTP as bytes, for tests: status, headers and body as they came, and request targets exactly as given (a browser's
 * URL rules would rewrite `/get/..`). Keeps its connections alive; reconnects when the server was started anew.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

import { Pool } from 'undici';

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent in chunks. */
  readonly body?: string | Buffer | Readable;
  readonly timeoutMs?: number;
}

/** A request that hangs is a failure, and should not cost more than this. */
const TIMEOUT_MS = 30_000;

export class Answer {
  constructor(
    readonly status: number,
    /** Names in lower case. */
    readonly headers: IncomingHttpHeaders,
    readonly body: Buffer,
  ) {}

  get text(): string {
    return this.body.toString();
  }

  json(): unknown {
    return JSON.parse(this.text);
  }
}

export class HttpClient {
  private readonly pool: Pool;

  constructor(
    readonly url: string,
    options: { readonly connections?: number } = {},
  ) {
    this.pool = new Pool(url, { connections: options.connections ?? 32 });
  }

  /** @param target path and query, sent as it is. Rejects when no answer comes. */
  async send(
    method: string,
    target: string,
    { headers, body, timeoutMs = TIMEOUT_MS }: Ask = {},
  ): Promise<Answer> {
    const answer = await this.pool.request({
      method,
      path: target,
      headers: headers ?? {},
      body: body ?? null,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      // undici would otherwise hang up after a HEAD.
      reset: false,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return new Answer(answer.statusCode, answer.headers, bytes);
  }

  get(target: string, ask?: Ask): Promise<Answer> {
    return this.send('GET', target, ask);
  }

  head(target: string, ask?: Ask): Promise<Answer> {
    return this.send('HEAD', target, ask);
  }

  put(target: string, body?: string | Buffer | Readable, ask?: Ask): Promise<Answer> {
    return this.send('PUT', target, { ...ask, ...(body === undefined ? {} : { body }) });
  }

  post(target: string, ask?: Ask): Promise<Answer> {
    return this.send('POST', target, ask);
  }

  delete(target: string, ask?: Ask): Promise<Answer> {
    return this.send('DELETE', target, ask);
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
