/** Readiness, metrics and their endpoints, on both request paths. */
import 'reflect-metadata';

import type { Server } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
import { ask, RawConnection } from '../test/raw-connection.js';
import { OperationsModule } from './operations.module.js';
import { Readiness } from './readiness.js';
import { DurationTally, histogramText } from './duration-tally.js';

@Controller()
class Probe {
  @Get('get/:key')
  get(): string {
    return 'x';
  }

  @Get('never')
  never(): Promise<never> {
    return new Promise(() => undefined);
  }
}

describe.each([
  ['direct', true],
  ['express', false],
])('operations on the %s path', (_path, direct) => {
  let probe: ProbeApp;
  let server: Server;
  let readiness: Readiness;

  beforeAll(async () => {
    const imports = [OperationsModule.forRoot({ name: 'diststore-probe', version: '1.2.3' })];
    probe = await startProbe({ imports, controllers: [Probe] }, direct);
    server = probe.server;
    readiness = probe.app.get(Readiness);
  });
  afterAll(() => probe.app.close());

  it('/livez and /version answer whatever happens', async () => {
    expect(await ask(server, 'GET', '/livez/')).toMatchObject({ status: 200, body: 'ok' });
    const expected = { name: 'diststore-probe', version: '1.2.3', node: process.version };
    const version = await ask(server, 'GET', '/version');
    expect(version.status).toBe(200);
    expect(JSON.parse(version.body)).toEqual(expected);
  });

  it('/metrics counts requests by pattern, method and code, never by key', async () => {
    expect((await ask(server, 'GET', '/get/secret-key')).status).toBe(200);
    expect((await ask(server, 'GET', '/get/other')).status).toBe(200);
    expect((await ask(server, 'HEAD', '/get/other')).status).toBe(200);
    expect((await ask(server, 'GET', '/nowhere/secret')).status).toBe(404);
    expect((await ask(server, 'PUT', '/get/a')).status).toBe(405);
    const leaver = await RawConnection.open(server);
    leaver.send('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
    await leaver.until(() => leaver.socket.bytesWritten > 0, 'the request');
    leaver.socket.resetAndDestroy();
    let text = '';
    const scrape = async (): Promise<void> => {
      const answer = await ask(server, 'GET', '/metrics');
      expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
      text = answer.body;
    };
    for (let i = 0; i < 100 && !text.includes('aborted"}'); i++) await scrape();

    expect(text).not.toContain('secret');
    for (const line of [
      'diststore_http_requests_total{route="/get/:key",method="GET",code="200"} 2',
      'diststore_http_requests_total{route="/get/:key",method="HEAD",code="200"} 1',
      'diststore_http_requests_total{route="(unmatched)",method="GET",code="404"} 1',
      'diststore_http_requests_total{route="(unmatched)",method="PUT",code="405"} 1',
      'diststore_http_requests_total{route="/never",method="GET",code="aborted"} 1',
      'diststore_http_request_duration_seconds_bucket{le="+Inf",route="/get/:key",method="GET"} 2',
      'diststore_http_request_duration_seconds_count{route="/get/:key",method="GET"} 2',
      `diststore_build_info{name="diststore-probe",version="1.2.3",node="${process.version}"} 1`,
      'diststore_http_connections_dropped_total 0',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect(text).toMatch(/^diststore_http_connections [1-9]/m);
  });

  it('/readyz follows the checks, lists them, and is 503 while draining', async () => {
    const expectAnswer = async (target: string, status: number, body: unknown): Promise<void> =>
      expect(await ask(server, 'GET', target)).toMatchObject({ status, body });
    await expectAnswer('/readyz', 200, 'ok');
    let reason: string | undefined = 'no master yet';
    readiness.add('store', () => undefined);
    readiness.add('cluster', () => reason);
    await expectAnswer(
      '/readyz',
      503,
      '[+]store ok\n[-]cluster failed: no master yet\nreadyz check failed\n',
    );
    reason = undefined;
    await expectAnswer('/readyz', 200, 'ok');
    await expectAnswer('/readyz?verbose', 200, '[+]store ok\n[+]cluster ok\nreadyz check passed\n');
    expect((await ask(server, 'HEAD', '/readyz')).status).toBe(200);
    readiness.add('broken', () => {
      throw new Error('secret');
    });
    await expectAnswer('/readyz', 503, expect.stringMatching(/\[-]broken failed: the check itself failed\n/));
    readiness.drain();
    await expectAnswer('/readyz', 503, expect.stringMatching(/\[-]shutdown failed: draining\n/));
  });
});

describe('DurationTally', () => {
  it('puts each duration under its least bound', () => {
    const tally = new DurationTally([0.1, 0.2]);
    for (const seconds of [0, 0.1, 0.11, 11]) tally.add(seconds);
    expect(tally.cumulative()).toEqual([2, 3, 4]);
    expect(tally.sumS).toBeCloseTo(11.21);
  });

  it('is shown as a histogram, with its labels escaped', () => {
    const tally = new DurationTally([0.1]);
    tally.add(0.5);
    expect(histogramText('d_seconds', 'Of what.', [{ labels: { route: '/"a' }, tally }])).toBe(
      [
        '# HELP d_seconds Of what.',
        '# TYPE d_seconds histogram',
        'd_seconds_bucket{le="0.1",route="/\\"a"} 0',
        'd_seconds_bucket{le="+Inf",route="/\\"a"} 1',
        'd_seconds_sum{route="/\\"a"} 0.5',
        'd_seconds_count{route="/\\"a"} 1',
        '',
      ].join('\n'),
    );
    expect(histogramText('d_seconds', 'Of what.', [{ labels: {}, tally }])).toContain(
      '\nd_seconds_count 1\n',
    );
  });
});
