import 'reflect-metadata';

import type { Server } from 'node:http';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
import { ask } from '../test/raw-connection.js';
import { LEGACY_WRITES, LegacyWrite } from './browser.guard.js';

let writes = 0;

@Controller()
class LegacyProbe {
  @Get('put/:key/:value')
  @LegacyWrite('PUT /put/<key>/<value>')
  put(): unknown {
    writes++;
    return { stored: true };
  }
}

let probe: ProbeApp;
afterEach(() => probe.app.close());

async function serve(legacyWrites: boolean): Promise<Server> {
  writes = 0;
  const providers = [{ provide: LEGACY_WRITES, useValue: legacyWrites }];
  probe = await startProbe({ controllers: [LegacyProbe], providers });
  return probe.server;
}

describe('LegacyWrite', () => {
  it('lets a command line write, uncached', async () => {
    const server = await serve(true);
    const answer = await ask(server, 'GET', '/put/a/b');
    expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(JSON.parse(answer.body)).toEqual({ stored: true });
    expect(writes).toBe(1);
  });

  it.each([
    ['Sec-Fetch-Site', 'same-origin'],
    ['Origin', 'null'],
    ['Referer', 'http://127.0.0.1/'],
  ])('refuses a browser, known by %s, and names the proper form', async (name, value) => {
    const server = await serve(true);
    const answer = await ask(server, 'GET', '/put/a/b', `${name}: ${value}\r\n`);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'browser-refused',
      detail: `The request has the header ${name.toLowerCase()}. Use PUT /put/<key>/<value>.`,
      use: 'PUT /put/<key>/<value>',
    });
    expect(writes).toBe(0);
  });

  it('does not write for HEAD', async () => {
    const answer = await ask(await serve(true), 'HEAD', '/put/a/b');
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    expect(writes).toBe(0);
  });

  it('refuses everybody when it is switched off', async () => {
    const answer = await ask(await serve(false), 'GET', '/put/a/b');
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'legacy-writes-off' });
    expect(writes).toBe(0);
  });
});
