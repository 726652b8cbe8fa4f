import { describe, expect, it } from '@jest/globals';

import { clusterTable } from './cluster-table.js';
import type { WorkerView } from './registry/worker-registry.js';

function worker(
  index: number,
  state: WorkerView['state'],
  keys: number,
  redis: string | null = `redis://127.0.0.1:${8000 + index}`,
): WorkerView {
  const urls = { http: `http://127.0.0.1:${5000 + index}`, redis, redisCluster: null };
  const rest = { since: '', pid: 1, storeId: '', boot: 1, supervised: true, bytes: 0 };
  return { index, urls, state, keys, ...rest, partitions: { primary: 1, secondary: 0 } };
}

describe('clusterTable', () => {
  it('aligns the rows and says what to type, on a worker that serves', () => {
    const table = clusterTable('http://127.0.0.1:5000', [
      worker(1, 'silent', 0),
      worker(12, 'serving', 1234),
    ]);
    expect(table.split('\n')).toEqual([
      '',
      '  master     http://127.0.0.1:5000  serving',
      '  worker 1   http://127.0.0.1:5001  silent   0 keys',
      '  worker 12  http://127.0.0.1:5012  serving  1234 keys',
      '',
      '  Store a value:  curl -X PUT http://127.0.0.1:5012/put/greeting/hello',
      '  Read it back:   curl http://127.0.0.1:5012/get/greeting',
      '  Or with Redis:  redis-cli -p 8012 get greeting',
      '  Stop with Ctrl-C.',
      '',
    ]);
  });

  it.each([
    ['redis://db.example:8001', 'redis-cli -h db.example -p 8001 get greeting'],
    ['redis://[::1]:8001', 'redis-cli -h ::1 -p 8001 get greeting'],
  ])('says where redis-cli finds %s', (url, line) => {
    expect(clusterTable('http://127.0.0.1:5000', [worker(1, 'serving', 0, url)])).toContain(line);
  });

  it('says nothing of Redis when there is no port for it', () => {
    expect(clusterTable('http://127.0.0.1:5000', [worker(1, 'serving', 0, null)])).not.toContain('redis');
  });

  it('says how to create a worker when none serves', () => {
    expect(clusterTable('http://127.0.0.1:5000', [])).toContain('curl http://127.0.0.1:5000/worker/1');
  });
});
