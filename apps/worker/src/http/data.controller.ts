/** The documented data routes: put, get, delete, clear. */
import type { IncomingMessage } from 'node:http';

import { Controller, Delete, Get, Inject, Param, Put, Query as QueryOf, Req } from '@nestjs/common';
import type { Reply } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import type { Query } from './write-parameters.js';

@Controller()
export class DataController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get('get/:key')
  get(@Param('key') key: string): Reply | Promise<Reply> {
    return this.data.get(Buffer.from(key));
  }

  @Put('put/:key')
  putBody(
    @Param('key') key: string,
    @Req() request: IncomingMessage,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putBody(Buffer.from(key), request, query);
  }

  @Put('put/:key/:value')
  putText(
    @Param('key') key: string,
    @Param('value') value: string,
    @Req() request: IncomingMessage,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putText(Buffer.from(key), value, request, query);
  }

  @Delete('delete/:key')
  delete(@Param('key') key: string): Promise<Reply> {
    return this.data.delete(Buffer.from(key));
  }

  @Delete('clear')
  clear(): Promise<Reply> {
    return this.data.clear();
  }
}
