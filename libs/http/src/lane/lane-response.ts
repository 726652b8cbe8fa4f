/** The answer to one request of a lane: from a Reply to bytes, written as Node would write them. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import type { Answer } from '../answer-queue.js';
import type { CallResponse } from '../direct-request.js';
import { asBuffer, bytesOf, isAscii, ONE_WRITE_BYTES_MAX } from '../reply.js';
import type { Reply, ReplyBody } from '../reply.js';
import type { RouteObserver } from '../request-observer.js';

/** What may not stand in the value of a header, as Node has it. */
const INVALID_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NO_LISTENERS: readonly (() => void)[] = [];

/** The connection of a response. */
export interface Writer {
  readonly socket: Socket;
  /** The answer is in the socket's hands. */
  written(): void;
}

export class LaneResponse implements Answer, CallResponse {
  private status: number | undefined = undefined;
  private head = '';
  private body: ReplyBody | undefined = undefined;
  private listeners = NO_LISTENERS;
  private readonly startedMs = performance.now();

  constructor(
    private readonly writer: Writer,
    private readonly isHead: boolean,
    private readonly observer: RouteObserver | undefined,
  ) {}

  get destroyed(): boolean {
    return this.writer.socket.destroyed;
  }

  once(_event: 'close', listener: () => void): void {
    this.listeners = [...this.listeners, listener];
  }

  /**
   * Fixes what `send` will write. The last call before it holds.
   * @param connectionLines what is said of the connection, each line with its end.
   * @throws TypeError when a header value cannot stand in HTTP.
   */
  set({ status, headers, body }: Reply, connectionLines: string): void {
    let head = statusLine(status);
    for (let i = 0; i < headers.length; i += 2) {
      const value = headers[i + 1] as string | number;
      if (typeof value === 'string' && INVALID_VALUE.test(value))
        throw new TypeError(
          `The header ${headers[i] as string} would have characters that no header may have.`,
        );
      head += `${headers[i] as string}: ${value}\r\n`;
    }
    const mayHaveBody = status !== 204 && status !== 304;
    if (mayHaveBody) head += `Content-Length: ${bytesOf(body)}\r\n`;
    this.status = status;
    this.head = `${head}Date: ${dateText()}\r\n${connectionLines}\r\n`;
    this.body = mayHaveBody && !this.isHead ? body : undefined;
  }

  send(): void {
    const { writer, head, body } = this;
    const { socket } = writer;
    if (body === undefined || body.length === 0) socket.write(head, 'latin1');
    else if (body.length > ONE_WRITE_BYTES_MAX || (typeof body === 'string' && !isAscii(body))) {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    }
    // One write of one string; latin-1 maps bytes to characters and back unchanged.
    else socket.write(head + (typeof body === 'string' ? body : asBuffer(body).toString('latin1')), 'latin1');
    writer.written();
  }

  /** The answer is with the kernel, or its connection gone. Call once. */
  over(nowMs: number): void {
    for (const listener of this.listeners) listener();
    this.observer?.answered(this.status, (nowMs - this.startedMs) / 1000);
  }
}

const statusLines = new Map<number, string>();

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

let dateOfSecond: string | undefined;

/** Now, as HTTP writes it (RFC 9110, 5.6.7). Found once a second, as Node does. */
function dateText(): string {
  if (dateOfSecond === undefined) {
    const now = new Date();
    dateOfSecond = now.toUTCString();
    setTimeout(() => (dateOfSecond = undefined), 1000 - now.getMilliseconds()).unref();
  }
  return dateOfSecond;
}
