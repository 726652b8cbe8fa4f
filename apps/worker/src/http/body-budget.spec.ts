/** The budget, and the bodies that are read within it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as ask, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { BODY_BYTES_IN_FLIGHT_MAX, BodyBudget } from './body-budget.js';
import { withBody } from './value-body.js';

describe('the budget', () => {
  it('grants up to its bound, and says what the bound is beyond', () => {
    const budget = new BodyBudget(100);
    budget.take(60);
    budget.take(40);
    expect(() => budget.take(1)).toThrow(
      /100 bytes are on their way.*the limit is 100 \(BODY_BYTES_IN_FLIGHT_MAX\)/,
    );
    budget.give(60);
    budget.take(60);
    expect(budget.bytes).toBe(100);
  });

  it('has room for the largest value whatever that is', () => {
    expect(BodyBudget.forValuesOf(1).maxBytes).toBe(BODY_BYTES_IN_FLIGHT_MAX);
    expect(BodyBudget.forValuesOf(BODY_BYTES_IN_FLIGHT_MAX).maxBytes).toBe(2 * BODY_BYTES_IN_FLIGHT_MAX);
  });

  it('a reservation is given back once, as a whole', () => {
    const budget = new BodyBudget(100);
    const reservation = budget.open();
    reservation.grow(60);
    expect(() => reservation.grow(60)).toThrow();
    expect(budget.bytes).toBe(60);
    reservation.close();
    reservation.close();
    reservation.grow(60);
    expect(budget.bytes).toBe(0);
  });
});

describe('bodies within the budget', () => {
  const bound = { maxBytes: 100, setting: 'maxValueBytes' };
  let server: Server;
  let budget: BodyBudget;
  let used: number[];
  let outcome: Promise<Buffer>;

  beforeEach(async () => {
    budget = new BodyBudget(50);
    used = [];
    server = createServer((request: IncomingMessage, response) => {
      outcome = withBody(
        request,
        budget,
        bound,
        (body) => {
          used.push(budget.bytes);
          return Promise.resolve(body);
        },
        (body) => body,
      );
      outcome.then(
        (body) => response.end(body),
        (error: unknown) => response.writeHead(500).end((error as { code: string }).code),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function send(body: string, isChunked: boolean): Promise<string> {
    const { port } = server.address() as AddressInfo;
    const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
    const request = ask({ port, host: '127.0.0.1', method: 'PUT', headers });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text;
  }

  it.each([true, false])('chunked %s: what fits is read, and given back afterwards', async (isChunked) => {
    expect(await send('x'.repeat(50), isChunked)).toBe('x'.repeat(50));
    expect(await send('', isChunked)).toBe('');
    expect(used).toEqual([50, 0]);
    expect(budget.bytes).toBe(0);
  });

  it.each([true, false])(
    'chunked %s: what does not fit is refused, and nothing is kept',
    async (isChunked) => {
      expect(await send('x'.repeat(51), isChunked)).toBe('too-many-requests');
      expect(await send('x'.repeat(101), isChunked)).toMatch(
        isChunked ? /too-many-requests|value-too-large/ : /value-too-large/,
      );
      expect(used).toEqual([]);
      expect(budget.bytes).toBe(0);
    },
  );

  it.each([true, false])('chunked %s: a body that is cut off is given back', async (isChunked) => {
    const { port } = server.address() as AddressInfo;
    const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': 40 };
    const request = ask({ port, host: '127.0.0.1', method: 'PUT', headers });
    request.on('error', () => undefined);
    const arrived = once(server, 'request');
    request.write('x'.repeat(10));
    await arrived;
    request.destroy();
    await expect(outcome).rejects.toMatchObject({ code: 'incomplete-body' });
    expect(budget.bytes).toBe(0);
  });
});
