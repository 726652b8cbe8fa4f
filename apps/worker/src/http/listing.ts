/**
 * Listings: `GET /v1/kv` as pages of JSON with a cursor, or as one stream of lines, and `GET /v1/export`.
 *
 * A page ends when it has `limit` items or LIST_PAGE_CHARS_MAX characters; its cursor leads on from there. A stream
 * goes on to the end, or until something fails; its last line says which, and has a cursor to go on with.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { StreamableFile } from '@nestjs/common';
import { isStoreError } from '@diststore/base';
import { problemOf, Reply } from '@diststore/http';

import type { MapFollower } from '../cluster/map-follower.js';
import type { Keyspace } from '../data/keyspace.js';
import { recordJson } from './answers.js';
import type { BodyBudget } from './body-budget.js';
import { valueText } from './data-text.js';
import { prefers } from './headers/accept.js';
import { listed, type Listed } from './listing/cluster-keys.js';
import { decodeCursor, encodeCursor } from './listing/cursor.js';
import { type KeyRange, keyRange } from './listing/key-range.js';
import { begun, lineStream, NDJSON_TYPE } from './listing/line-stream.js';
import { bytesOf, checkNames, flagOf, type Query, textOf, wholeNumberOf } from './query.js';

export const LIST_LIMIT_DEFAULT = 100;
export const LIST_LIMIT_MAX = 10_000;

/** A page is made in memory: it ends with the item that takes it past this. */
export const LIST_PAGE_CHARS_MAX = 8 * 1024 * 1024;

/** What a listing holds while it goes on, as it counts for the budget: keys ahead, and a page or a few values. */
const STREAM_BYTES = 4 * 1024 * 1024;
const PAGE_BYTES_PER_ITEM = 2 * 1024;

const RANGE = ['prefix', 'prefix64', 'start', 'start64', 'end', 'end64', 'cursor'];
const JSON_TYPE = 'application/json';

interface ListRequest {
  readonly range: KeyRange;
  readonly limit: number | undefined;
  readonly keysOnly: boolean;
  readonly clusterId: string;
}

export class Listing {
  constructor(
    private readonly keyspace: Keyspace,
    private readonly budget: BodyBudget,
    private readonly follower: Pick<MapFollower, 'required'>,
  ) {}

  /** A page, or a stream for who prefers `application/x-ndjson`. @throws StoreError bad-parameter, bad-request, retry-later, … */
  list(request: IncomingMessage, response: ServerResponse, query: Query): Promise<Reply | StreamableFile> {
    checkNames(query, [...RANGE, 'limit', 'keysOnly']);
    const isStream = prefers(request.headers.accept, NDJSON_TYPE, JSON_TYPE);
    const limit = wholeNumberOf(query, 'limit', {
      min: 1,
      max: isStream ? Number.MAX_SAFE_INTEGER : LIST_LIMIT_MAX,
    });
    const asked = { ...this.rangeOf(query), limit, keysOnly: flagOf(query, 'keysOnly') };
    return isStream ? this.stream(asked, response) : this.page(asked, response);
  }

  /** Everything, or everything with a prefix or in a range, as a stream that an import takes. */
  export(response: ServerResponse, query: Query): Promise<StreamableFile> {
    checkNames(query, RANGE);
    return this.stream({ ...this.rangeOf(query), limit: undefined, keysOnly: false }, response);
  }

  private rangeOf(query: Query): Pick<ListRequest, 'range' | 'clusterId'> {
    const { clusterId } = this.follower.required().settings;
    const cursor = textOf(query, 'cursor');
    const behind = cursor === undefined ? undefined : decodeCursor(clusterId, cursor);
    const [prefix, start, end] = ['prefix', 'start', 'end'].map((name) => bytesOf(query, name));
    return { clusterId, range: keyRange({ prefix, start, end, behind }) };
  }

  private async page(asked: ListRequest, response: ServerResponse): Promise<Reply> {
    const { range, limit = LIST_LIMIT_DEFAULT, keysOnly, clusterId } = asked;
    this.budget.takeUntilSent(limit * PAGE_BYTES_PER_ITEM, response);
    const texts: string[] = [];
    let chars = 0;
    let last: Buffer | undefined;
    let isMore = false;
    // One more than is shown tells whether there are more.
    for await (const run of listed(this.keyspace, range, { keysOnly, expected: limit + 1 })) {
      for (const item of run) {
        isMore = texts.length === limit || chars >= LIST_PAGE_CHARS_MAX;
        if (isMore) break;
        const text = lineOf(item, keysOnly);
        texts.push(text);
        chars += text.length;
        last = item.key;
      }
      if (isMore) break;
    }
    const cursor = isMore && last !== undefined ? encodeCursor(clusterId, last) : null;
    const body = `{"items":[${texts.join(',')}],"cursor":${JSON.stringify(cursor)}}`;
    this.budget.takeUntilSent(chars, response);
    return new Reply(
      200,
      ['Content-Type', `${JSON_TYPE}; charset=utf-8`, 'Cache-Control', 'no-cache', 'Vary', 'Accept'],
      body,
    );
  }

  private async stream(asked: ListRequest, response: ServerResponse): Promise<StreamableFile> {
    this.budget.takeUntilSent(STREAM_BYTES, response);
    const { range, limit: expected, keysOnly } = asked;
    const runs = await begun(listed(this.keyspace, range, { keysOnly, expected }));
    response.setHeader('Cache-Control', 'no-cache').setHeader('Vary', 'Accept');
    return lineStream(linesOf(runs, asked));
  }
}

async function* linesOf(
  runs: AsyncIterable<readonly Listed[]>,
  asked: ListRequest,
): AsyncGenerator<string, void> {
  const { limit = Infinity, keysOnly, clusterId } = asked;
  let count = 0;
  let last: Buffer | undefined;
  const cursor = (): string | null => (last === undefined ? null : encodeCursor(clusterId, last));
  try {
    for await (const run of runs) {
      const shown = run.slice(0, limit - count);
      if (shown.length > 0) yield shown.map((item) => lineOf(item, keysOnly)).join('\n');
      count += shown.length;
      last = shown.at(-1)?.key ?? last;
      if (shown.length === run.length) continue;
      yield JSON.stringify({ complete: false, count, cursor: cursor() });
      return;
    }
    yield JSON.stringify({ complete: true, count });
  } catch (error) {
    if (!isStoreError(error)) throw error;
    yield JSON.stringify({ complete: false, count, cursor: cursor(), error: problemOf(error) });
  }
}

function lineOf({ key, record }: Listed, keysOnly: boolean): string {
  return JSON.stringify(
    keysOnly ? recordJson(key, record) : { ...recordJson(key, record), ...valueText(record.payload) },
  );
}
