/** A Redis connection for tests, of RESP and nothing more: what is sent is sent as it is, replies come decoded. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { ReplyDecoder, type Reply } from '@diststore/redis';

export class RedisConnection {
  private readonly decoder = new ReplyDecoder();
  private readonly replies: Reply[] = [];
  private bytes = 0;
  private waiting: (() => void)[] = [];
  isClosed = false;
  private onlyCounts = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (this.onlyCounts) {
        this.wake();
        return;
      }
      this.decoder.push(chunk);
      for (let next = this.decoder.next(); next !== undefined; next = this.decoder.next()) {
        if (next.kind === 'protocol-error') throw new Error(next.message);
        this.replies.push(next);
      }
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new RedisConnection(socket);
  }

  get receivedBytes(): number {
    return this.bytes;
  }

  /** From here on what arrives is counted and thrown away: half a gigabyte of it would otherwise be kept. */
  countOnly(): void {
    this.onlyCounts = true;
  }

  send(...args: (string | Buffer | number)[]): void {
    this.socket.write(request(...args));
  }

  /** The next reply, as plain data: see `plain`. */
  async next(): Promise<unknown> {
    await this.until('a reply arrives', () => this.replies.length > 0 || this.isClosed);
    const reply = this.replies.shift();
    if (reply === undefined) throw new Error('The connection was closed before a reply came.');
    return plain(reply);
  }

  async call(...args: (string | Buffer | number)[]): Promise<unknown> {
    this.send(...args);
    return this.next();
  }

  async callAll(commands: readonly (readonly (string | Buffer | number)[])[]): Promise<unknown[]> {
    this.socket.write(Buffer.concat(commands.map((command) => request(...command))));
    const replies: unknown[] = [];
    for (let i = 0; i < commands.length; i++) replies.push(await this.next());
    return replies;
  }

  untilClosed(): Promise<void> {
    return this.until('the connection is closed', () => this.isClosed);
  }

  /** Looks whenever something has arrived. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`Waited ${WAIT_MS} ms in vain until ${what}.`)), WAIT_MS);
    });
    try {
      while (!isSo()) await Promise.race([this.news(), overdue]);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private news(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** Far more than any reply takes. */
const WAIT_MS = 30_000;

/** A request as clients send it. */
export function request(...args: (string | Buffer | number)[]): Buffer {
  const parts = args.flatMap((arg) => {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}

/** Strings as latin1, integers beyond 2^53 as text, errors as `-TEXT`, simple strings as `+TEXT`, nulls as null. */
export function plain(reply: Reply): unknown {
  switch (reply.kind) {
    case 'simple':
      return `+${reply.text}`;
    case 'error':
      return `-${reply.text}`;
    case 'integer':
    case 'big-number':
      return typeof reply.value === 'bigint' ? `${reply.value}` : reply.value;
    case 'double':
    case 'boolean':
      return reply.value;
    case 'bulk':
    case 'verbatim':
      return reply.value.toString('latin1');
    case 'null':
    case 'null-array':
      return null;
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(plain);
    case 'map':
      return new Map(reply.entries.map(([key, value]) => [plain(key), plain(value)]));
  }
}
