/** Ports for processes that are about to be started. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what Linux, macOS and Windows give to outgoing connections, so that no client of a test takes one meanwhile. */
const LOWEST = 10_000;
const HIGHEST = 29_000;
const TRIES_MAX = 200;

/** Handed out by this process, and perhaps not opened yet. */
const handedOut = new Set<number>();

/** A worker's Redis ports, above its HTTP port. */
const REDIS_OFFSETS = [2000, 3000];

/**
 * A port `base` such that `base` to `base + count - 1` are free on the loopback address, and the Redis ports that belong
 * to them: for a master, whose worker i listens on the master's port plus i. Another program could take one before it is
 * used; the start fails then.
 */
export async function freePorts(count = 1): Promise<number> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const base = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    const ports = [0, ...REDIS_OFFSETS].flatMap((offset) =>
      Array.from({ length: count }, (_unused, i) => base + offset + i),
    );
    if (ports.some((port) => handedOut.has(port))) continue;
    const free = await Promise.all(ports.map(isFree));
    if (free.includes(false)) continue;
    for (const port of ports) handedOut.add(port);
    return base;
  }
  throw new Error(`No ${count} free ports in a row between ${LOWEST} and ${HIGHEST}.`);
}

/** Whether somebody could listen there now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true });
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
