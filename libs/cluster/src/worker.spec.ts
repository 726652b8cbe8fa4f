import { describe, expect, it } from '@jest/globals';

import { storeAt, worker } from '../test/fixtures.js';
import { httpUrlOf, problemOfWorker, problemOfWorkerStep, redisUrlOf, WORKER_STATES } from './worker.js';
import type { Worker } from './worker.js';

describe('a worker', () => {
  it('is reached under its host name or address, IPv6 in brackets', () => {
    expect(httpUrlOf({ host: 'node-1', port: 5001 })).toBe('http://node-1:5001');
    expect(httpUrlOf({ host: '::1', port: 5001 })).toBe('http://[::1]:5001');
    expect(redisUrlOf({ host: '::1', port: 8001 })).toBe('redis://[::1]:8001');
  });

  it.each<[string, Partial<Worker>]>([
    ['worker 1 has no port from 1 to 65535', { http: { host: 'a', port: 0 } }],
    ['worker 1 has no port from 1 to 65535', { redisGateway: { host: 'a', port: 65_536 } }],
    ['worker 1 has no host name of 1 to 253 characters', { redisCluster: { host: '', port: 1 } }],
    ['worker 1 has a label above 64 characters', { labels: { host: 'h', zone: 'z'.repeat(65) } }],
    ['worker 1 has no weight from 1 to 1000', { weight: 0 }],
    ['worker 1 has no weight from 1 to 1000', { weight: 1001 }],
  ])('is unsound if %s', (problem, parts) => {
    expect(problemOfWorker(worker(1, parts))).toBe(problem);
  });

  it('changes state as its diagram says', () => {
    const legal = WORKER_STATES.flatMap((from) =>
      WORKER_STATES.filter((to) => {
        const step = problemOfWorkerStep(worker(1, { state: from }), worker(1, { state: to, revision: 2 }));
        return step === undefined;
      }).map((to) => `${from} ${to}`),
    );
    expect(legal).toEqual([
      ...['active active', 'active draining', 'active removed'],
      ...['draining active', 'draining draining', 'draining removed'],
      'removed removed',
    ]);
  });

  it('comes back after removal by registering again', () => {
    const removed = worker(1, { state: 'removed' });
    expect(problemOfWorkerStep(removed, worker(1, { revision: 2, boot: 2 }))).toBeUndefined();
    const elsewhere = { revision: 2, registrationNumber: 7, store: storeAt(1, 2) };
    expect(problemOfWorkerStep(removed, worker(1, elsewhere))).toBeUndefined();
  });

  it.each<[string, Partial<Worker>]>([
    ['would change without a new revision', { revision: 1 }],
    ['would return to an older store', { registrationNumber: 1 }],
    ['has two stores in one registration', { store: storeAt(5, 2) }],
    ['would return to an older boot', { boot: 2 }],
  ])('never %s', (problem, parts) => {
    const before = worker(5, { boot: 3 });
    expect(problemOfWorkerStep(before, { ...before, revision: 2, ...parts })).toBe(`worker 5 ${problem}`);
  });
});
