/** The documented data routes: put, get, delete, clear. */
import { Controller, Delete, Get, Inject, Param, Put, Query as QueryOf, Req, Res } from '@nestjs/common';
import { type BodyRequest, type CallResponse, Direct, type Reply, type RequestHead } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import { Described } from './openapi/described.js';
import { KEY, VALUE } from './openapi/parameters.js';
import { DELETE, READ, routeTo, STORE_BODY, STORE_TEXT } from './openapi/value-operations.js';
import type { Query } from './query.js';

const TAG = 'documented routes';

@Controller()
export class DataController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get('get/:key')
  @Direct()
  @Described(routeTo(READ, TAG, KEY))
  get(
    @Param('key') key: string,
    @Req() request: RequestHead,
    @Res({ passthrough: true }) response: CallResponse,
    @QueryOf() query: Query,
  ): Reply | Promise<Reply> {
    return this.data.get(Buffer.from(key), request, response, query);
  }

  @Put('put/:key')
  @Direct()
  @Described(routeTo(STORE_BODY, TAG, KEY))
  putBody(@Param('key') key: string, @Req() request: BodyRequest, @QueryOf() query: Query): Promise<Reply> {
    return this.data.putBody(Buffer.from(key), request, query);
  }

  @Put('put/:key/:value')
  @Direct()
  @Described(routeTo(STORE_TEXT, TAG, KEY, VALUE))
  putText(
    @Param('key') key: string,
    @Param('value') value: string,
    @Req() request: RequestHead,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putText(Buffer.from(key), value, request, query);
  }

  @Delete('delete/:key')
  @Direct()
  @Described(routeTo(DELETE, TAG, KEY))
  delete(@Param('key') key: string, @Req() request: RequestHead): Promise<Reply> {
    return this.data.delete(Buffer.from(key), request);
  }

  @Delete('clear')
  @Direct()
  @Described({
    tag: TAG,
    summary: 'Deletes every key of the keyspace that this worker serves',
    answers: { 200: 'How many keys were removed, and on which workers.' },
  })
  clear(): Promise<Reply> {
    return this.data.clear();
  }
}
