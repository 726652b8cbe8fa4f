import { describe, expect, it } from '@jest/globals';
import {
  ForbiddenException,
  HttpException,
  NotFoundException,
  PayloadTooLargeException,
} from '@nestjs/common';

import { ERRORS, InvariantError, StoreError } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';

import { problem, problemOf, problemReply, rawProblem } from './problem.js';

describe('problemOf', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])(
    '%s is what the table says, with the detail and the facts',
    (code) => {
      const { status, retryable, title, remedy } = ERRORS[code];
      expect(problemOf(new StoreError(code, 'this time', { facts: { limitBytes: 7 } }))).toEqual({
        type: `urn:diststore:error:${code}`,
        title,
        status,
        detail: 'this time',
        code,
        retryable,
        remedy,
        limitBytes: 7,
      });
    },
  );

  it('recognises a StoreError that has crossed a process', () => {
    const copy = Object.assign(new Error('from afar'), { name: 'StoreError', code: 'disk-full' });
    expect(problemOf(copy)).toMatchObject({ code: 'disk-full', status: 507, detail: 'from afar' });
  });

  it('facts never replace a member of the problem', () => {
    expect(
      problemOf(new StoreError('draining', 'x', { facts: { status: 200, code: 'fine' } })),
    ).toMatchObject({
      status: 503,
      code: 'draining',
    });
  });

  it("knows Nest's and Express's exceptions by their status", () => {
    expect(problemOf(new NotFoundException('Cannot GET /x'))).toMatchObject({
      code: 'route-not-found',
      detail: 'Cannot GET /x',
    });
    expect(problemOf(new PayloadTooLargeException())).toMatchObject({ code: 'value-too-large', status: 413 });
    expect(problemOf(new ForbiddenException())).toMatchObject({ code: 'bad-request', status: 403 });
    expect(problemOf(new HttpException('secret', 502))).toMatchObject({ code: 'internal', status: 500 });
  });

  it.each([
    new TypeError('secret'),
    new InvariantError('secret', {}),
    'secret',
    undefined,
    null,
    Object.create(null),
  ])('tells nothing of %p', (error) => {
    const about = problemOf(error);
    expect(about).toMatchObject({ code: 'internal', status: 500 });
    expect(JSON.stringify(about)).not.toContain('secret');
  });
});

describe('problemReply', () => {
  it('asks to retry after a second where that helps', () => {
    expect(problemReply(problem('retry-later', 'x')).headers).toContain('Retry-After');
    expect(problemReply(problem('too-many-requests', 'x')).headers).toContain('Retry-After');
    expect(problemReply(problem('internal', 'x')).headers).not.toContain('Retry-After');
  });

  it('names the allowed methods in the header too', () => {
    expect(problemReply(problem('method-not-allowed', 'x', { allow: ['GET', 'PUT'] })).headers).toEqual(
      expect.arrayContaining(['Allow', 'GET, PUT']),
    );
  });

  it('writes facts that JSON does not know, and leaves out those it cannot write', () => {
    expect(JSON.parse(problemReply(problem('internal', 'x', { seq: 9n })).body as string)).toMatchObject({
      seq: '9',
    });
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(JSON.parse(problemReply(problem('internal', 'x', cycle)).body as string)).toMatchObject({
      code: 'internal',
    });
  });
});

describe('rawProblem', () => {
  it('is a complete HTTP answer that closes', () => {
    const [head = '', body = ''] = rawProblem(problem('request-timeout', 'é')).split('\r\n\r\n');
    expect(head.split('\r\n')).toEqual([
      'HTTP/1.1 408 Request Timeout',
      'Connection: close',
      'Content-Type: application/problem+json',
      'Cache-Control: no-store',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ]);
    expect(JSON.parse(body)).toMatchObject({ code: 'request-timeout', detail: 'é' });
  });
});
