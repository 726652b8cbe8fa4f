/**
 * How many requests per second cross one connection between two processes on this machine: 100-byte requests and
 * answers, a handler that answers at once, 1, 64 and 512 in flight; then answers of 64 KiB and of 16 MiB.
 *
 *     node dist/libs/transport/bench/request-throughput.js
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import process from 'node:process';

import { Transport } from '../src/index.js';

const WARM_UP_MS = 1_000;
const MEASURE_MS = 3_000;
const CHANNEL = 'requests';

function transportOf(worker: number): Transport {
  return new Transport({
    identity: {
      cluster: 'c'.repeat(32),
      worker,
      store: String(worker).repeat(32),
      boot: 1,
      nonce: 'a'.repeat(16),
    },
    clock: { wallNowMs: () => Date.now(), monotonicNowMs: () => performance.now() },
    random: () => Math.random(),
  });
}

/** Answers with as many bytes as the first four of the request say. */
async function serve(): Promise<void> {
  const transport = transportOf(2);
  const answers = new Map<number, Buffer>();
  transport.serveRequests(CHANNEL, (request, reply) => {
    const bytes = request.readUInt32BE(0);
    let answer = answers.get(bytes);
    if (answer === undefined) answers.set(bytes, (answer = Buffer.alloc(bytes, 7)));
    reply.send(answer);
  });
  const server = createServer();
  server.on('upgrade', (req, socket, head) => {
    if (socket instanceof Socket) transport.upgrade(req, socket, head);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send?.((server.address() as AddressInfo).port);
  process.on('disconnect', () => process.exit());
  process.on('message', () => process.send?.(process.cpuUsage()));
}

async function measure(): Promise<void> {
  const child = fork(process.argv[1] ?? '', ['serve']);
  const [port] = (await once(child, 'message')) as [number];
  const transport = transportOf(1);
  const links = transport.requestLinks(CHANNEL, { eager: true });
  links.follow([[2, { host: '127.0.0.1', port }]]);
  const link = links.get(2);
  if (link === undefined) throw new Error('no link');

  const cpuOfServer = async (): Promise<number> => {
    child.send('cpu');
    const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage];
    return (user + system) / 1000;
  };

  const run = async (inFlight: number, answerBytes: number): Promise<void> => {
    const request = Buffer.alloc(100, 1);
    request.writeUInt32BE(answerBytes);
    let count = 0;
    let failed = 0;
    let running = true;
    const latencies: number[] = [];
    const sampleEvery = answerBytes > 1024 * 1024 ? 1 : 64;
    const loop = async (): Promise<void> => {
      while (running) {
        const startMs = performance.now();
        const { outcome } = await link.request(request, 10_000);
        if (outcome !== 'answered') failed++;
        count++;
        if (count % sampleEvery === 0) latencies.push(performance.now() - startMs);
      }
    };
    const loops = Array.from({ length: inFlight }, loop);
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const serverMs = await cpuOfServer();
    count = failed = latencies.length = 0;
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
    const elapsedMs = performance.now() - startMs;
    const measured = count;
    const { user, system } = process.cpuUsage(cpu);
    const serverCpu = ((await cpuOfServer()) - serverMs) / elapsedMs;
    running = false;
    await Promise.all(loops);
    latencies.sort((a, b) => a - b);
    const p = (q: number): string => (latencies[Math.floor(latencies.length * q)] ?? NaN).toFixed(2);
    const perSecond = measured / (elapsedMs / 1000);
    console.log(
      `${String(inFlight).padStart(4)} in flight, answers of ${answerBytes} bytes: ${Math.round(perSecond)}/s, ` +
        `${((perSecond * answerBytes) / 2 ** 20).toFixed(0)} MiB/s, p50 ${p(0.5)} ms, p99 ${p(0.99)} ms, failed ${failed}, ` +
        `cpu client ${((user + system) / 1000 / elapsedMs).toFixed(2)} server ${serverCpu.toFixed(2)}`,
    );
  };

  await run(64, 100);
  await run(1, 100);
  await run(512, 100);
  await run(64, 64 * 1024);
  await run(4, 16 * 1024 * 1024);
  await transport.close(1_000);
  child.disconnect();
}

await (process.argv[2] === 'serve' ? serve() : measure());
