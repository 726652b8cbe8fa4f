/**
 * The documented usage lines are plain `curl URL`, a GET, also where they write. These aliases make them work as they
 * stand. A GET that writes is a trap on the web (a link, a prefetch, an image tag could fire it), so a browser is
 * refused, nothing is cached, and `legacyGetWrites` switches them off.
 */
import type { IncomingMessage } from 'node:http';

import { Controller, Get, Inject, Param, Query as QueryOf, Req } from '@nestjs/common';
import { LegacyWrite, type Reply } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import type { Query } from './write-parameters.js';

@Controller()
export class LegacyWritesController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get('put/:key/:value')
  @LegacyWrite('PUT /put/<key>/<value>')
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
  delete(@Param('key') key: string): Promise<Reply> {
    return this.data.delete(Buffer.from(key));
  }

  @Get('clear')
  @LegacyWrite('DELETE /clear')
  clear(): Promise<Reply> {
    return this.data.clear();
  }
}
