/**
 * The resource API: one resource per key. A key may hold slashes as they are, and a trailing slash is part of it; a
 * key of arbitrary bytes is given as base64url in `key64`.
 */
import type { IncomingMessage } from 'node:http';

import { Controller, Delete, Get, Inject, Param, Put, Query as QueryOf, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import type { Reply } from '@diststore/http';

import { DataOperations } from './data-operations.js';
import type { Query } from './write-parameters.js';

@Controller('v1/kv')
export class KvController {
  constructor(@Inject(DataOperations) private readonly data: DataOperations) {}

  @Get()
  get64(@QueryOf() query: Query): Reply | Promise<Reply> {
    return this.data.get(key64Of(query));
  }

  @Put()
  put64(@Req() request: IncomingMessage, @QueryOf() query: Query): Promise<Reply> {
    return this.data.putBody(key64Of(query), request, query);
  }

  @Delete()
  delete64(@QueryOf() query: Query): Promise<Reply> {
    return this.data.delete(key64Of(query));
  }

  @Get('*key')
  get(@Param('key') key: string): Reply | Promise<Reply> {
    return this.data.get(Buffer.from(key));
  }

  @Put('*key')
  put(@Param('key') key: string, @Req() request: IncomingMessage, @QueryOf() query: Query): Promise<Reply> {
    return this.data.putBody(Buffer.from(key), request, query);
  }

  @Delete('*key')
  delete(@Param('key') key: string): Promise<Reply> {
    return this.data.delete(Buffer.from(key));
  }
}

/** @throws StoreError bad-parameter: absent, repeated, or not base64url. */
function key64Of({ key64 }: Query): Buffer {
  // Canonical or nothing: two spellings of one key would be two names for one resource.
  const key = Buffer.from(typeof key64 === 'string' ? key64 : '', 'base64url');
  if (key.length === 0 || key.toString('base64url') !== key64) {
    const detail = 'Name a key: /v1/kv/<key>, or /v1/kv?key64=<the key as base64url without padding>.';
    throw new StoreError('bad-parameter', detail, { facts: { parameter: 'key64' } });
  }
  return key;
}
