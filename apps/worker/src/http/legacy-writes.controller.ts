/**
 * The documented usage lines are plain `curl URL`, a GET, also where they write. These aliases make them work as they
 * stand. A GET that writes is a trap on the web (a link, a prefetch, an image tag could fire it), so a browser is
 * refused, nothing is cached, and `legacyGetWrites` switches them off.
 */
import type { IncomingMessage } from 'node:http';

import { Controller, Get, Inject, Param, Query as QueryOf, Req } from '@nestjs/common';
import { LegacyWrite, type Reply } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import { Described } from './openapi/described.js';
import { KEY, VALUE } from './openapi/parameters.js';
import type { Query } from './query.js';

@Controller()
export class LegacyWritesController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get('put/:key/:value')
  @LegacyWrite('PUT /put/<key>/<value>')
  @Described({
    tag: 'documented routes, as a plain GET',
    summary: 'As PUT; for command lines, refused to browsers',
    answers: { 200: 'A receipt.' },
    parameters: [KEY, VALUE],
  })
  put(
    @Param('key') key: string,
    @Param('value') value: string,
    @Req() request: IncomingMessage,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putText(Buffer.from(key), value, request, query);
  }

  @Get('delete/:key')
  @LegacyWrite('DELETE /delete/<key>')
  @Described({
    tag: 'documented routes, as a plain GET',
    summary: 'As DELETE; for command lines, refused to browsers',
    answers: { 200: 'A receipt.' },
    parameters: [KEY],
  })
  delete(@Param('key') key: string, @Req() request: IncomingMessage): Promise<Reply> {
    return this.data.delete(Buffer.from(key), request);
  }

  @Get('clear')
  @LegacyWrite('DELETE /clear')
  @Described({
    tag: 'documented routes, as a plain GET',
    summary: 'As DELETE; for command lines, refused to browsers',
    answers: { 200: 'How many keys were removed.' },
  })
  clear(): Promise<Reply> {
    return this.data.clear();
  }
}
