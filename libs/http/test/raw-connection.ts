/**
 * A client that sends exactly the bytes it is told and reports exactly what comes back: for requests that no proper
 * client would send. Tests wait for what they expect, with a deadline, and never for a length of time.
 */
import { connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Names in lower case, without Date. Of a repeated header, the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const DEADLINE_MS = 5_000;

export class RawConnection {
  private chunks: Buffer[] = [];
  private ended = false;
  private wake: () => void = () => undefined;

  private constructor(readonly socket: Socket) {
    socket.setNoDelay();
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  static async open(server: Server): Promise<RawConnection> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const connection = new RawConnection(socket);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    return connection;
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  /** Everything received so far that no answer was made of. */
  get text(): string {
    return this.received.toString('latin1');
  }

  private get received(): Buffer {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0] ?? Buffer.alloc(0);
  }

  /** The next answer. With `head`, one whose body is not sent whatever its length says. */
  async answer(head = false): Promise<Answer> {
    await this.until(() => answerIn(this.received, head) !== undefined, 'an answer');
    const found = answerIn(this.received, head);
    if (found === undefined) throw new Error('unreachable');
    this.chunks = [this.received.subarray(found.bytes)];
    return found.answer;
  }

  /** Waits until the other side has closed. */
  async closed(): Promise<this> {
    await this.until(() => this.ended, 'the close');
    return this;
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    while (!condition()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || (this.ended && what !== 'the close')) {
        throw new Error(
          `Waiting for ${what}, got ${this.ended ? 'the close after' : 'only'}: ${this.text.slice(0, 500)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 20));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** One request on a connection of its own. `headers` is lines, each with its end. */
export async function ask(server: Server, method: string, target: string, headers = ''): Promise<Answer> {
  const connection = await RawConnection.open(server);
  const request = `${method} ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
  const answer = await connection.send(request).answer(method === 'HEAD');
  connection.socket.destroy();
  return answer;
}

/** Waits for `condition`, however it comes about. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function answerIn(received: Buffer, head: boolean): { answer: Answer; bytes: number } | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const [statusLine = '', ...lines] = received.subarray(0, headEnd).toString('latin1').split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (name !== 'date') headers[name] = line.slice(colon + 1).trim();
  }
  const status = Number(statusLine.split(' ')[1]);
  const rest = received.subarray(headEnd + 4);
  const body =
    head || status === 204 || status === 304 || status < 200 ? { text: '', bytes: 0 } : bodyIn(rest, headers);
  if (body === undefined) return undefined;
  return { answer: { status, headers, body: body.text }, bytes: headEnd + 4 + body.bytes };
}

function bodyIn(rest: Buffer, headers: Record<string, string>): { text: string; bytes: number } | undefined {
  if (headers['transfer-encoding'] === 'chunked') {
    const end = rest.indexOf('0\r\n\r\n');
    return end === -1 ? undefined : { text: rest.subarray(0, end).toString('latin1'), bytes: end + 5 };
  }
  const bytes = Number(headers['content-length'] ?? 0);
  return rest.length < bytes ? undefined : { text: rest.subarray(0, bytes).toString('latin1'), bytes };
}
