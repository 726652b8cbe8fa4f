/**
 * Speed of the codec and the command table, without sockets or storage. One line per workload: the best of several
 * rounds, since anything else on the machine only slows it down.
 *
 *   npx nest build worker && node dist/libs/redis/bench/codec.bench.js
 */
import { CommandTable, ReplyDecoder, ReplyEncoder, RequestDecoder } from '../src/index.js';

const CHUNK_BYTES = 64 * 1024;
const ROUNDS = 15;
const OPERATIONS = 200_000;

/** Runs `work`, which does `count` operations on `bytes` bytes. */
function measure(name: string, count: number, bytes: number, work: () => void): void {
  let bestMs = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    work();
    bestMs = Math.min(bestMs, performance.now() - start);
  }
  const perSecond = count / bestMs / 1000;
  const megabytes = bytes / bestMs / 1000;
  console.log(
    `${name.padEnd(44)} ${perSecond.toFixed(2).padStart(8)} M/s ${megabytes.toFixed(0).padStart(6)} MB/s`,
  );
}

function request(...args: string[]): Buffer {
  return Buffer.from(`*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`);
}

/** `one`, repeated, in chunks as a busy socket gives them. */
function repeated(one: Buffer, count: number): { chunks: Buffer[]; bytes: number } {
  const all = Buffer.concat(Array<Buffer>(count).fill(one));
  const chunks: Buffer[] = [];
  for (let at = 0; at < all.length; at += CHUNK_BYTES) chunks.push(all.subarray(at, at + CHUNK_BYTES));
  return { chunks, bytes: all.length };
}

function decodeRequests(name: string, one: Buffer, count = OPERATIONS): void {
  const { chunks, bytes } = repeated(one, count);
  measure(`decode ${name}`, count, bytes, () => {
    const decoder = new RequestDecoder();
    for (const chunk of chunks) {
      decoder.push(chunk);
      while (decoder.next() !== undefined);
    }
  });
}

function encodeReplies(name: string, batch: number, write: (encoder: ReplyEncoder) => void): void {
  const encoder = new ReplyEncoder(3);
  write(encoder);
  const bytes = encoder.byteLength * OPERATIONS;
  measure(`encode ${name}, taken every ${batch}`, OPERATIONS, bytes, () => {
    for (let i = 0; i < OPERATIONS; i += batch) {
      for (let j = 0; j < batch; j++) write(encoder);
      encoder.take();
    }
  });
}

function decodeReplies(name: string, text: string): void {
  const { chunks, bytes } = repeated(Buffer.from(text), OPERATIONS);
  measure(`decode reply ${name}`, OPERATIONS, bytes, () => {
    const decoder = new ReplyDecoder();
    for (const chunk of chunks) {
      decoder.push(chunk);
      while (decoder.next() !== undefined);
    }
  });
}

function wholePath(): void {
  const table = new CommandTable();
  const value = Buffer.alloc(100, 'x');
  const { chunks, bytes } = repeated(request('GET', 'key:000001'), OPERATIONS);
  measure('decode GET, resolve, encode its 100 bytes', OPERATIONS, bytes, () => {
    const decoder = new RequestDecoder();
    const encoder = new ReplyEncoder(3);
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
        if (next.kind !== 'request') throw new Error(next.kind);
        const command = table.resolve(next.args);
        if (command.kind === 'error') encoder.error(command.text);
        else encoder.bulk(value);
      }
      encoder.take();
    }
  });
}

const value100 = 'x'.repeat(100);
decodeRequests('PING', request('PING'));
decodeRequests('GET', request('GET', 'key:000001'));
decodeRequests('SET of 100 bytes', request('SET', 'key:000001', value100));
decodeRequests('MGET of 16', request('MGET', ...Array<string>(16).fill('key:000001')));
decodeRequests('inline GET', Buffer.from('GET key:000001\r\n'));
decodeRequests('SET of 1 MiB', request('SET', 'k', 'x'.repeat(1024 * 1024)), 50);
decodeRequests('SET of 16 MiB', request('SET', 'k', 'x'.repeat(16 * 1024 * 1024)), 4);
const bulk100 = Buffer.from(value100);
for (const batch of [1, 16, 1000]) {
  encodeReplies('OK', batch, (encoder) => encoder.ok());
  encodeReplies('integer', batch, (encoder) => encoder.integer(1234567));
  encodeReplies('100 bytes', batch, (encoder) => encoder.bulk(bulk100));
}
decodeReplies('OK', '+OK\r\n');
decodeReplies('100 bytes', `$100\r\n${value100}\r\n`);
decodeReplies('map of 8', `%8\r\n${'$3\r\nabc\r\n:1\r\n'.repeat(8)}`);
wholePath();
