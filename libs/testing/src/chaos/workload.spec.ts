/** The whole of clients, history and checker, against servers that lie: each lie must be found out. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { eventually } from '../eventually.js';
import { HttpClient } from '../http-client.js';
import { SeededRandom } from '../simulation/random.js';
import { History } from './history.js';
import { Workload } from './workload.js';

type Lie = 'none' | 'drops writes' | 'reads stale' | 'ignores conditions';

/** A key-value store in memory that tells the truth, but for one operation in fifty. */
function lyingServer(lie: Lie): Server {
  const stored = new Map<string, { value: string; version: number }>();
  const before = new Map<string, { value: string; version: number }>();
  let version = 0;
  let asked = 0;
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const key = request.url ?? '';
      asked += 1;
      const lies = asked % 50 === 0;
      const old = stored.get(key);
      if (request.method === 'GET') {
        const seen = lie === 'reads stale' && lies ? before.get(key) : old;
        response.writeHead(seen === undefined ? 404 : 200, { etag: `"${seen?.version ?? 0}"` });
        response.end(seen?.value);
        return;
      }
      const { 'if-match': match, 'if-none-match': noneMatch } = request.headers;
      const holds =
        (match === undefined || match === `"${old?.version ?? 0}"`) &&
        (noneMatch === undefined || old === undefined);
      if (!holds && !(lie === 'ignores conditions' && lies)) {
        response.writeHead(412).end();
        return;
      }
      version += 1;
      const isLost = lie === 'drops writes' && lies;
      if (old !== undefined && !isLost) before.set(key, old);
      if (request.method === 'DELETE' && !isLost) stored.delete(key);
      else if (!isLost) stored.set(key, { value: Buffer.concat(chunks).toString(), version });
      const status = request.method === 'DELETE' && old === undefined ? 404 : 200;
      response.writeHead(status, { etag: `"${version}"` }).end(JSON.stringify({ partition: 0 }));
    });
  });
}

describe('the chaos workload', () => {
  let server: Server;
  let http: HttpClient;

  afterEach(async () => {
    await http.close();
    server.close();
    await once(server, 'close');
  });

  /** Of 1500 operations, or as many as convict the server. */
  async function historyWith(lie: Lie): Promise<History> {
    server = lyingServer(lie).listen(0, '127.0.0.1');
    await once(server, 'listening');
    http = new HttpClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const history = new History();
    const workload = new Workload({
      history,
      random: new SeededRandom(11),
      endpoints: [{ worker: 1, http }],
      clients: 4,
      keys: 3,
      pauseMs: 0,
      timeoutMs: 5000,
      nowMs: () => performance.now(),
    });
    const running = workload.run();
    let seen = 0;
    await eventually('there is a history', () => {
      if (history.operations < seen + 250) return false;
      seen = history.operations;
      return seen > 1500 || history.violations().length > 0;
    });
    workload.stop();
    await running;
    return history;
  }

  it('finds nothing wrong with a server that tells the truth', async () => {
    const history = await historyWith('none');
    expect(history.violations()).toEqual([]);
    expect(history.acknowledgedWrites).toBeGreaterThan(100);
  });

  it.each(['drops writes', 'reads stale', 'ignores conditions'] as const)(
    'convicts a server that %s',
    async (lie) => {
      const history = await historyWith(lie);
      expect(history.violations().length).toBeGreaterThan(0);
    },
  );
});
