/** The cluster map, for workers and clients that follow it. */
import type { IncomingMessage } from 'node:http';

import { Controller, Get, Inject, Query as QueryOf, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { encodeDelta, generation } from '@diststore/cluster';

import type { ClusterState } from '../cluster/cluster-state.js';
import type { Recovery } from '../configuration/recovery.js';
import { CLUSTER_STATE, RECOVERY } from '../master.tokens.js';

/** A follower asks again after so long without news, so that a dead connection is noticed. */
const WAIT_MS_MAX = 30_000;

@Controller('v1/map')
export class MapController {
  constructor(
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
    @Inject(RECOVERY) private readonly recovery: Recovery,
  ) {}

  /**
   * What changed after version `since` (0: everything), at once if anything has, else as soon as it does, else after
   * `waitMs` with nothing in it. `gen` is the generation of the map that the asker has: one of an earlier generation
   * is not to be brought up to date, and everything is sent. While this master does not trust its data, it has news
   * for nobody who has a map.
   */
  @Get()
  async news(
    @QueryOf('since') since: string | undefined,
    @QueryOf('gen') gen: string | undefined,
    @QueryOf('waitMs') waitMs: string | undefined,
    @Req() request: IncomingMessage,
  ): Promise<object> {
    const version = wholeNumber('since', since ?? '0', Number.MAX_SAFE_INTEGER);
    const known = gen === undefined ? 0 : wholeNumber('gen', gen, Number.MAX_SAFE_INTEGER);
    const asker = { version, gen: known === 0 ? undefined : generation(known) };
    const wait = AbortSignal.timeout(wholeNumber('waitMs', waitMs ?? '0', WAIT_MS_MAX));
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    request.socket.once('close', onClose);
    try {
      const isHeld = (): boolean => this.recovery.isFrozen;
      return encodeDelta(await this.state.newsFor(asker, isHeld, AbortSignal.any([wait, gone.signal])));
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
