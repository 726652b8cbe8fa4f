/**
 * `POST /v1/import`: stores one value for each line of NDJSON, as an export gives them. Reading, storing and reporting
 * go on at the same time: while one portion is stored the next is read, and no more than these two are held.
 *
 * A line that is wrong is counted and passed over; the first of them are named in the summary. What is stored is
 * stored, also when the import ends early: importing the same lines again stores the same values again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import type { StreamableFile } from '@nestjs/common';
import { isStoreError, StoreError } from '@diststore/base';
import { checkOperation } from '@diststore/data';
import type { Expiry, Put, Result } from '@diststore/data';
import { refuseEncodedBody } from '@diststore/http';

import type { Keyspace } from '../../data/keyspace.js';
import type { WorkerConfig } from '../../worker.options.js';
import type { BodyBudget, Reservation } from '../body-budget.js';
import { FLUSH, lineStream } from '../listing/line-stream.js';
import { checkNames, type Query } from '../query.js';
import { asOne, resultOf } from './batch.js';
import { badField, JsonObject, parseJson } from './json-reader.js';
import { type Line, LineSplitter } from './line-splitter.js';
import { contentTypeFrom, lifetimeFrom } from './operation-json.js';

/** A portion is stored when it has so many lines, or so many bytes. */
export const IMPORT_PORTION_LINES = 1024;
export const IMPORT_PORTION_BYTES = 4 * 1024 * 1024;
/** Puts that go to one partition as one transaction. */
const GROUP_LINES_MAX = 256;
/** A line of progress comes after so many lines. */
export const IMPORT_PROGRESS_LINES = 10_000;
/** Bad lines that the summary names. */
export const IMPORT_BAD_LINES_MAX = 20;
/** A partition that cannot take a group at this moment, as during a failover, is tried again for so long. */
const RETRY_FOR_MS = 30_000;
const RETRY_PAUSE_MS = 200;
/** What an import holds, as it counts for the budget, beyond a single line that is larger. */
const IMPORT_BYTES = 2 * IMPORT_PORTION_BYTES;

/** A control character in a JSON text is six bytes, \u0000: a line of an export with the largest value is never too long. */
const LINE_BYTES_PER_VALUE_BYTE = 6;
const LINE_BYTES_BESIDE_VALUE = 16 * 1024;

const FIELDS = ['key', 'key64', 'value', 'value64', 'contentType', 'ttl', 'ttlMs', 'expireAtMs', 'version'];
const EXPIRE_AT_MS_MAX = Number.MAX_SAFE_INTEGER;

interface BadLine {
  readonly line: number;
  readonly code: string;
  readonly detail: string;
}

interface Pending {
  readonly line: number;
  readonly put: Put;
}

export class Imports {
  constructor(
    private readonly keyspace: Keyspace,
    private readonly config: Pick<WorkerConfig, 'maxValueBytes'>,
    private readonly budget: BodyBudget,
  ) {}

  /** @throws StoreError bad-parameter, unsupported-content-encoding, too-many-requests: nothing was read. */
  run(request: IncomingMessage, response: ServerResponse, query: Query): StreamableFile {
    checkNames(query, []);
    refuseEncodedBody(request);
    this.budget.takeUntilSent(IMPORT_BYTES, response);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
    const { maxValueBytes } = this.config;
    const run = new ImportRun(this.keyspace, request, {
      maxValueBytes,
      budget: this.budget,
      gone: gone.signal,
    });
    return lineStream(run.reports());
  }
}

class ImportRun {
  private lines = 0;
  private stored = 0;
  private expired = 0;
  private failed = 0;
  /** Whether the lines say of themselves that some are missing. */
  private isIncomplete = false;
  private readonly firstBad: BadLine[] = [];
  private portion: Pending[] = [];
  private portionBytes = 0;
  /** The portion before, while it is being stored. Never rejects. */
  private storing: Promise<void> | undefined;

  constructor(
    private readonly keyspace: Keyspace,
    private readonly request: IncomingMessage,
    private readonly options: {
      readonly maxValueBytes: number;
      readonly budget: BodyBudget;
      readonly gone: AbortSignal;
    },
  ) {}

  /** Progress from time to time, and a summary at the end. */
  async *reports(): AsyncGenerator<string, void> {
    let reported = 0;
    try {
      for await (const lines of this.reading()) {
        if (lines - reported < IMPORT_PROGRESS_LINES) continue;
        reported = lines;
        yield this.report({ done: false });
        yield FLUSH;
      }
      await this.storing;
      yield this.report({ done: true });
    } catch (error) {
      await this.storing;
      if (isStoreError(error))
        yield this.report({ done: false, error: { code: error.code, detail: error.message } });
      // The client is gone, and nobody is there to be told. Anything else is not expected here.
      else if (!this.options.gone.aborted && !this.request.destroyed) throw error;
    }
  }

  private report(ending: object): string {
    const { lines, stored, expired, failed, firstBad } = this;
    const source = this.isIncomplete ? { sourceComplete: false } : {};
    const isLast = !('done' in ending && ending.done === false && !('error' in ending));
    return JSON.stringify({
      ...ending,
      lines,
      stored,
      expired,
      failed,
      ...(isLast ? { ...source, firstBad } : {}),
    });
  }

  /** Reads to the end and stores what it reads. Yields the number of lines after each piece of input. */
  private async *reading(): AsyncGenerator<number, void> {
    const { maxValueBytes, budget } = this.options;
    const splitter = new LineSplitter(LINE_BYTES_PER_VALUE_BYTE * maxValueBytes + LINE_BYTES_BESIDE_VALUE);
    let large: Reservation | undefined;
    try {
      const input = this.request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
      for await (const chunk of input) {
        for (const line of splitter.push(chunk)) {
          large?.close();
          large = undefined;
          await this.take(line);
        }
        if (splitter.heldBytes > IMPORT_PORTION_BYTES) {
          large ??= budget.open();
          large.grow(chunk.length);
        }
        // Nothing more has come yet: what there is need not wait for it.
        if (this.request.readableLength === 0 && this.storing === undefined) await this.store();
        yield this.lines;
      }
      for (const line of splitter.end()) await this.take(line);
      await this.store();
    } finally {
      large?.close();
    }
  }

  private async take(line: Line): Promise<void> {
    this.lines += 1;
    try {
      const put = this.putFrom(line);
      if (put === undefined) return;
      checkOperation(put, this.options);
      this.portion.push({ line: this.lines, put });
      this.portionBytes += put.value.length + put.key.length;
    } catch (error) {
      if (!isStoreError(error)) throw error;
      this.fail(this.lines, error.code, error.message);
      return;
    }
    if (this.portion.length >= IMPORT_PORTION_LINES || this.portionBytes >= IMPORT_PORTION_BYTES)
      await this.store();
  }

  /** Undefined: the line stores nothing. @throws StoreError bad-request */
  private putFrom(line: Line): Put | undefined {
    if (line === 'too-long')
      throw badField('The line', 'is longer than any with a value of maxValueBytes is');
    if (line.length === 0) return undefined;
    const json = parseJson(line, 'The line');
    if (typeof json === 'object' && json !== null && 'complete' in json) {
      // The last line of an export.
      this.isIncomplete ||= json.complete !== true;
      return undefined;
    }
    const fields = new JsonObject(json, 'The line', FIELDS);
    return {
      type: 'put',
      key: fields.requiredBytes('key'),
      value: fields.requiredBytes('value'),
      contentType: contentTypeFrom(fields),
      expiry: expiryFrom(fields),
      conditions: [],
      returnOld: false,
    };
  }

  /** Begins to store the portion once the one before is stored. */
  private async store(): Promise<void> {
    await this.storing;
    const { portion } = this;
    this.portion = [];
    this.portionBytes = 0;
    if (portion.length === 0) return;
    const storing = this.storePortion(portion).finally(() => {
      if (this.storing === storing) this.storing = undefined;
    });
    this.storing = storing;
  }

  private async storePortion(portion: readonly Pending[]): Promise<void> {
    const byPartition = new Map<number, Pending[][]>();
    for (const pending of portion) {
      const partition = this.keyspace.partitionOf(pending.put.key);
      const groups = byPartition.get(partition) ?? [];
      byPartition.set(partition, groups);
      const last = groups.at(-1);
      if (last === undefined || last.length === GROUP_LINES_MAX) groups.push([pending]);
      else last.push(pending);
    }
    await Promise.all(
      [...byPartition.values()].map(async (groups) => {
        for (const group of groups) await this.storeGroup(group);
      }),
    );
  }

  private async storeGroup(group: readonly Pending[]): Promise<void> {
    try {
      const result = await this.performPatiently(group);
      for (const [i, { line }] of group.entries()) this.count(line, resultOf(result, i));
    } catch (error) {
      const { code, message } = isStoreError(error)
        ? error
        : new StoreError('internal', 'An unexpected error; the log of the worker has the details.');
      for (const { line } of group) this.fail(line, code, message);
    }
  }

  private async performPatiently(group: readonly Pending[]): Promise<Result> {
    const operation = asOne(group.map(({ put }) => put));
    const until = performance.now() + RETRY_FOR_MS;
    for (;;) {
      try {
        return (await this.keyspace.perform(operation)).result;
      } catch (error) {
        const mayHelp = isStoreError(error) && error.retryable && error.code !== 'disk-full';
        if (!mayHelp || performance.now() >= until || this.options.gone.aborted) throw error;
      }
      await sleep(RETRY_PAUSE_MS, undefined, { signal: this.options.gone }).catch(() => undefined);
    }
  }

  private count(line: number, result: Result | undefined): void {
    if (result?.type === 'stored') this.stored += 1;
    else if (result?.type === 'deleted' || result?.type === 'absent') this.expired += 1;
    else this.fail(line, 'internal', `The line ended as ${result?.type ?? 'nothing'}.`);
  }

  private fail(line: number, code: string, detail: string): void {
    this.failed += 1;
    this.firstBad.push({ line, code, detail });
    // Portions are stored in parallel, so a bad line may be found after later ones.
    this.firstBad.sort((a, b) => a.line - b.line);
    if (this.firstBad.length > IMPORT_BAD_LINES_MAX) this.firstBad.pop();
  }
}

function expiryFrom(fields: JsonObject): Expiry {
  const lifetime = lifetimeFrom(fields);
  const atMs = fields.wholeNumber('expireAtMs', { min: 0, max: EXPIRE_AT_MS_MAX });
  if (atMs === undefined) return lifetime ?? { type: 'never' };
  if (lifetime !== undefined) throw badField(fields.where, 'has both a lifetime and expireAtMs');
  return atMs === 0 ? { type: 'never' } : { type: 'at', atMs };
}
