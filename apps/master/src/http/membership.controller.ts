/** Operator verbs for one worker: create, drain, remove. Not for browsers: any page could send them. */
import type { IncomingMessage } from 'node:http';

import { Controller, Delete, Inject, Param, Post, Query as QueryOf, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { isWorkerIndex, WORKER_INDEX_MAX, workerIndex } from '@diststore/cluster';
import { refuseBrowser, Reply } from '@diststore/http';

import type { ClusterState } from '../cluster/cluster-state.js';
import { CLUSTER_STATE, DEPARTURES, RECONCILER, SUPERVISOR } from '../master.tokens.js';
import type { Departures, DepartureView } from '../reconcile/departures.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { workerIndexOf } from './master.controller.js';
import { readOptions } from './read-json.js';

const PROPER_FORM = '`curl` from a terminal';

@Controller('v1/workers')
export class MembershipController {
  constructor(
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
    @Inject(SUPERVISOR) private readonly supervisor: Supervisor,
    @Inject(DEPARTURES) private readonly departures: Departures,
    @Inject(RECONCILER) private readonly reconciler: Reconciler,
  ) {}

  /**
   * `{"index": 4}`, or nothing for the lowest index that is free: as GET /worker/<index>.
   * @throws StoreError browser-refused, bad-request, bad-worker-index; as Supervisor.create says
   */
  @Post()
  async create(@Req() request: IncomingMessage): Promise<Reply> {
    refuseBrowser(request, PROPER_FORM);
    const { index = this.lowestFree() } = await readOptions(request);
    if (!isWorkerIndex(index))
      throw new StoreError('bad-worker-index', `${JSON.stringify(index)} is not a worker index.`);
    const { worker, created } = await this.supervisor.create(index);
    return Reply.json(created ? 201 : 200, worker, ['Location', `/v1/workers/${worker.index}`]);
  }

  /** Moves everything off the worker. @throws StoreError browser-refused; as Departures.drain says */
  @Post(':index/drain')
  async drain(@Param('index') text: string, @Req() request: IncomingMessage): Promise<Reply> {
    refuseBrowser(request, PROPER_FORM);
    return this.answer(await this.departures.drain(workerIndexOf(text), false));
  }

  /** Takes that back. @throws StoreError browser-refused, worker-not-found */
  @Delete(':index/drain')
  async stay(@Param('index') text: string, @Req() request: IncomingMessage): Promise<Reply> {
    refuseBrowser(request, PROPER_FORM);
    return this.answer(await this.departures.stay(workerIndexOf(text)));
  }

  /**
   * Drains the worker, then stops and removes it; asked again, says how far that is. With `force=true` at once.
   * @throws StoreError browser-refused, bad-parameter; as Departures.drain says
   */
  @Delete(':index')
  async remove(
    @Param('index') text: string,
    @QueryOf('force') force: string | undefined,
    @Req() request: IncomingMessage,
  ): Promise<Reply> {
    refuseBrowser(request, PROPER_FORM);
    const index = workerIndexOf(text);
    if (force !== undefined && force !== 'true' && force !== 'false')
      throw new StoreError('bad-parameter', 'force is true or false.', { facts: { parameter: 'force' } });
    const view =
      force === 'true' ? await this.departures.remove(index) : await this.departures.drain(index, true);
    return this.answer(view);
  }

  private answer(view: DepartureView): Reply {
    const isUnderWay = view.state === 'draining' && (view.leaving || view.replicas > 0);
    const { estimateMs } = this.reconciler.view();
    return Reply.json(isUnderWay ? 202 : 200, { ...view, estimateMs: isUnderWay ? estimateMs : 0 });
  }

  /** @throws StoreError bad-worker-index: none is. */
  private lowestFree(): number {
    for (let index = 1; index <= WORKER_INDEX_MAX; index += 1) {
      const worker = this.state.map.worker(workerIndex(index));
      if (worker === undefined || worker.state === 'removed') return index;
    }
    throw new StoreError('bad-worker-index', `All ${WORKER_INDEX_MAX} indices are taken.`);
  }
}
