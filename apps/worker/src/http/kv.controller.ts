/**
 * The resource API: one resource per key. A key may hold slashes as they are, and a trailing slash is part of it; a
 * key of arbitrary bytes is given as base64url in `key64`. Without a key it is the listing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Put,
  Query as QueryOf,
  Req,
  Res,
  type StreamableFile,
} from '@nestjs/common';
import { type BodyRequest, type CallResponse, Direct, type Reply, type RequestHead } from '@diststore/http';

import { MapFollower } from '../cluster/map-follower.js';
import type { Keyspace } from '../data/keyspace.js';
import { KEYSPACE } from '../worker.tokens.js';
import { DataOperations } from './data-operations.js';
import { keyActionOf } from './key-action.js';
import { Listing } from './listing.js';
import { Described } from './openapi/described.js';
import {
  ACTION,
  INCR_BY,
  KEY,
  KEY64,
  KEYS_ONLY,
  LIMIT,
  PUT_PARAMETERS,
  RANGE_PARAMETERS,
} from './openapi/parameters.js';
import { DELETE, READ, routeTo, STORE_BODY } from './openapi/value-operations.js';
import { badParameter, checkNames, type Query, base64urlOf, textOf } from './query.js';

const TAG = 'keys';
const READ_NAMES = ['consistency'];
const WRITE_NAMES = ['ttl', 'ttlMs'];
const ACTION_PARAMETERS = { incr: ['by'], append: [], touch: WRITE_NAMES, persist: [] } as const;

@Controller('v1/kv')
export class KvController {
  private readonly listing: Listing;

  constructor(
    @Inject(DataOperations) private readonly data: DataOperations,
    @Inject(KEYSPACE) keyspace: Keyspace,
    @Inject(MapFollower) follower: MapFollower,
  ) {
    this.listing = new Listing(keyspace, data.budget, follower);
  }

  @Get()
  @Described({
    tag: TAG,
    summary: 'Lists keys and values in key order, over the whole cluster',
    details:
      'A page of JSON, with a cursor that leads to the next; with `Accept: application/x-ndjson` one stream of lines, ' +
      'of which the last says whether it is complete. With `key64`, the value of that key instead.',
    parameters: [...RANGE_PARAMETERS, LIMIT, KEYS_ONLY, KEY64],
    answers: { 200: 'A page, or the stream.' },
    produces: ['application/json', 'application/x-ndjson'],
  })
  getOrList(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): Reply | Promise<Reply | StreamableFile> {
    if (query['key64'] === undefined) return this.listing.list(request, response, query);
    checkNames(query, ['key64', ...READ_NAMES]);
    return this.data.get(key64Of(query), request, response, query);
  }

  @Put()
  @Direct()
  @Described(routeTo(STORE_BODY, TAG, KEY64))
  put64(@Req() request: BodyRequest, @QueryOf() query: Query): Promise<Reply> {
    checkNames(query, ['key64', ...WRITE_NAMES]);
    return this.data.putBody(key64Of(query), request, query);
  }

  @Delete()
  @Direct()
  @Described(routeTo(DELETE, TAG, KEY64))
  delete64(@Req() request: RequestHead, @QueryOf() query: Query): Promise<Reply> {
    checkNames(query, ['key64']);
    return this.data.delete(key64Of(query), request);
  }

  @Get('*key')
  @Direct()
  @Described(routeTo(READ, TAG, KEY))
  get(
    @Param('key') key: string,
    @Req() request: RequestHead,
    @Res({ passthrough: true }) response: CallResponse,
    @QueryOf() query: Query,
  ): Reply | Promise<Reply> {
    checkNames(query, READ_NAMES);
    return this.data.get(Buffer.from(key), request, response, query);
  }

  @Put('*key')
  @Direct()
  @Described(routeTo(STORE_BODY, TAG, KEY))
  put(@Param('key') key: string, @Req() request: BodyRequest, @QueryOf() query: Query): Promise<Reply> {
    checkNames(query, WRITE_NAMES);
    return this.data.putBody(Buffer.from(key), request, query);
  }

  @Delete('*key')
  @Direct()
  @Described(routeTo(DELETE, TAG, KEY))
  delete(@Param('key') key: string, @Req() request: RequestHead, @QueryOf() query: Query): Promise<Reply> {
    checkNames(query, []);
    return this.data.delete(Buffer.from(key), request);
  }

  /** incr, append, touch, persist. */
  @Post('*rest')
  @Described({
    tag: TAG,
    summary: 'Changes a value in one step: <key>/incr, <key>/append, <key>/touch, <key>/persist',
    details:
      'incr adds `by` to a decimal integer, append puts the body behind the value, touch gives it another lifetime, ' +
      'persist takes its lifetime off.',
    parameters: [ACTION, INCR_BY, KEY64, ...PUT_PARAMETERS],
    body: { type: 'application/octet-stream', description: 'append: what to put behind the value.' },
    answers: { 200: 'Done; a receipt.', 204: 'Done; no receipt was wanted.' },
  })
  @HttpCode(200)
  act(@Param('rest') rest: string, @Req() request: IncomingMessage, @QueryOf() query: Query): Promise<Reply> {
    const { action, key: text } = keyActionOf(rest, (request.url ?? '').split('?', 1)[0] ?? '');
    checkNames(query, [...(text === undefined ? ['key64'] : []), ...ACTION_PARAMETERS[action]]);
    const key = text === undefined ? key64Of(query) : Buffer.from(text);
    switch (action) {
      case 'incr':
        return this.data.increment(key, request, query);
      case 'append':
        return this.data.append(key, request);
      case 'touch':
        return this.data.touch(key, request, query);
      case 'persist':
        return this.data.persist(key, request);
    }
  }
}

/** @throws StoreError bad-parameter: absent, empty, repeated, or not base64url. */
function key64Of(query: Query): Buffer {
  const text = textOf(query, 'key64');
  if (text !== undefined && text !== '') return base64urlOf('key64', text);
  throw badParameter(
    'key64',
    'Name a key: /v1/kv/<key>, or /v1/kv?key64=<the key as base64url without padding>',
  );
}
