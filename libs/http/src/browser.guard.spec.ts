import 'reflect-metadata';

import type { Server } from 'node:http';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import request from 'supertest';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
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
    await request(server).get('/put/a/b').expect(200, { stored: true }).expect('Cache-Control', 'no-store');
    expect(writes).toBe(1);
  });

  it.each([
    ['Sec-Fetch-Site', 'same-origin'],
    ['Origin', 'null'],
    ['Referer', 'http://127.0.0.1/'],
  ])('refuses a browser, known by %s, and names the proper form', async (name, value) => {
    const server = await serve(true);
    const answer = await request(server).get('/put/a/b').set(name, value).expect(403);
    expect(answer.body).toMatchObject({
      code: 'browser-refused',
      detail: `The request has the header ${name.toLowerCase()}. Use PUT /put/<key>/<value>.`,
      use: 'PUT /put/<key>/<value>',
    });
    expect(writes).toBe(0);
  });

  it('does not write for HEAD', async () => {
    await request(await serve(true))
      .head('/put/a/b')
      .expect(405)
      .expect('Allow', 'GET');
    expect(writes).toBe(0);
  });

  it('refuses everybody when it is switched off', async () => {
    const answer = await request(await serve(false))
      .get('/put/a/b')
      .expect(403);
    expect(answer.body).toMatchObject({ code: 'legacy-writes-off' });
    expect(writes).toBe(0);
  });
});
