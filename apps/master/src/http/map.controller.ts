/** The cluster map, for workers and clients that follow it. */
import type { IncomingMessage } from 'node:http';

import { Controller, Get, Inject, Query as QueryOf, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { encodeDelta } from '@diststore/cluster';

import type { ClusterState } from '../cluster/cluster-state.js';
import { CLUSTER_STATE } from '../master.tokens.js';

/** A follower asks again after so long without news, so that a dead connection is noticed. */
const WAIT_MS_MAX = 30_000;

@Controller('v1/map')
export class MapController {
  constructor(@Inject(CLUSTER_STATE) private readonly state: ClusterState) {}

  /**
   * What changed after version `since` (0: everything), at once if anything has, else as soon as it does, else after
   * `waitMs` with nothing in it.
   */
  @Get()
  async news(
    @QueryOf('since') since: string | undefined,
    @QueryOf('waitMs') waitMs: string | undefined,
    @Req() request: IncomingMessage,
  ): Promise<object> {
    const version = wholeNumber('since', since ?? '0', Number.MAX_SAFE_INTEGER);
    const wait = AbortSignal.timeout(wholeNumber('waitMs', waitMs ?? '0', WAIT_MS_MAX));
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    request.socket.once('close', onClose);
    try {
      return encodeDelta(await this.state.newsSince(version, AbortSignal.any([wait, gone.signal])));
    } finally {
      request.socket.off('close', onClose);
    }
  }
}

function wholeNumber(parameter: string, text: string, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) {
    const detail = `${parameter} is a whole number from 0 to ${max}, not ${JSON.stringify(text)}.`;
    throw new StoreError('bad-parameter', detail, { facts: { parameter } });
  }
  return value;
}
