/** The documented data routes: put, get, delete, clear. */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { Controller, Delete, Get, Inject, Param, Put, Query as QueryOf, Req, Res } from '@nestjs/common';
import { Direct, type Reply } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import { DELETE_ANSWERS, PUT_ANSWERS, READ_ANSWERS } from './openapi/answers.js';
import { Described } from './openapi/described.js';
import { KEY, PUT_PARAMETERS, READ_PARAMETERS, VALUE, WRITE_HEADERS } from './openapi/parameters.js';
import type { Query } from './query.js';

@Controller()
export class DataController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get('get/:key')
  @Direct()
  @Described({
    tag: 'documented routes',
    summary: 'The value, exactly as it was stored',
    parameters: [KEY, ...READ_PARAMETERS],
    answers: READ_ANSWERS,
    produces: ['application/octet-stream', 'application/json'],
  })
  get(
    @Param('key') key: string,
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): Reply | Promise<Reply> {
    return this.data.get(Buffer.from(key), request, response, query);
  }

  @Put('put/:key')
  @Direct()
  @Described({
    tag: 'documented routes',
    summary: 'Stores the body',
    parameters: [KEY, ...PUT_PARAMETERS],
    body: { type: 'application/octet-stream', description: 'The value, any bytes.' },
    answers: PUT_ANSWERS,
  })
  putBody(
    @Param('key') key: string,
    @Req() request: IncomingMessage,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putBody(Buffer.from(key), request, query);
  }

  @Put('put/:key/:value')
  @Direct()
  @Described({
    tag: 'documented routes',
    summary: 'Stores the value in the URL',
    parameters: [KEY, VALUE, ...PUT_PARAMETERS],
    answers: PUT_ANSWERS,
  })
  putText(
    @Param('key') key: string,
    @Param('value') value: string,
    @Req() request: IncomingMessage,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    return this.data.putText(Buffer.from(key), value, request, query);
  }

  @Delete('delete/:key')
  @Direct()
  @Described({
    tag: 'documented routes',
    summary: 'Deletes the value',
    parameters: [KEY, ...WRITE_HEADERS],
    answers: DELETE_ANSWERS,
  })
  delete(@Param('key') key: string, @Req() request: IncomingMessage): Promise<Reply> {
    return this.data.delete(Buffer.from(key), request);
  }

  @Delete('clear')
  @Direct()
  @Described({
    tag: 'documented routes',
    summary: 'Deletes every key of the keyspace that this worker serves',
    answers: { 200: 'How many keys were removed, and on which workers.' },
  })
  clear(): Promise<Reply> {
    return this.data.clear();
  }
}
