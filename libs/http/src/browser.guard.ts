/**
 * Keeps browsers from writing by GET: a link, an image or a prefetch on any page could otherwise change data. The
 * documented GET forms of put, delete and clear are for people at a command line, whose tools send none of the
 * headers that every browser sends.
 *
 * Not an authentication: it trusts the client to be a browser when it says so, which is the case that matters here.
 */
import type { IncomingMessage } from 'node:http';

import { applyDecorators, Header, Inject, Injectable, SetMetadata, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { StoreError } from '@diststore/base';

/** Injection token: boolean, whether writing with GET is on. */
export const LEGACY_WRITES = Symbol('LEGACY_WRITES');

const PROPER_FORM = 'diststore:proper-form';
/** Each is sent by browsers, and only by them. */
const BROWSER_HEADERS = ['sec-fetch-site', 'origin', 'referer'] as const;

/**
 * Marks a GET route that writes: guarded by BrowserGuard, never cached.
 * @param properForm the route to use instead, as shown to the client: `PUT /put/<key>/<value>`.
 */
export function LegacyWrite(properForm: string): MethodDecorator {
  return applyDecorators(
    SetMetadata(PROPER_FORM, properForm),
    UseGuards(BrowserGuard),
    Header('Cache-Control', 'no-store'),
  );
}

@Injectable()
export class BrowserGuard implements CanActivate {
  constructor(
    @Inject(LEGACY_WRITES) private readonly legacyWrites: boolean,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  /**
   * @throws StoreError legacy-writes-off: the setting refuses every request.
   * @throws StoreError method-not-allowed: HEAD, which would run the GET route, must not write.
   * @throws StoreError browser-refused: a browser sent the request.
   */
  canActivate(context: ExecutionContext): boolean {
    const form =
      this.reflector.get<string | undefined>(PROPER_FORM, context.getHandler()) ?? 'the PUT or DELETE form';
    if (!this.legacyWrites)
      throw new StoreError('legacy-writes-off', `Use ${form}.`, { facts: { use: form } });
    const { method, headers } = context.switchToHttp().getRequest<IncomingMessage>();
    if (method === 'HEAD') {
      throw new StoreError('method-not-allowed', `HEAD never writes. Use ${form}.`, {
        facts: { use: form, allow: ['GET'] },
      });
    }
    refuseBrowser({ headers }, form);
    return true;
  }
}

/**
 * For a handler that any page could make a browser call.
 * @param form what to use instead, as shown to the client.
 * @throws StoreError browser-refused: a browser sent the request.
 */
export function refuseBrowser({ headers }: Pick<IncomingMessage, 'headers'>, form: string): void {
  const sent = BROWSER_HEADERS.find((name) => headers[name] !== undefined);
  if (sent === undefined) return;
  throw new StoreError('browser-refused', `The request has the header ${sent}. Use ${form}.`, {
    facts: { use: form, header: sent },
  });
}
