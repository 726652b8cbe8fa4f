/**
 * The data routes on the master: it keeps no data, so it sends the client to a worker, with 307, which keeps method
 * and body. Under placement `hashed` any worker answers, and the one that holds the key answers soonest; under `local`
 * a value stays with the worker that was asked, so with several workers the client says which: `?worker=<idx>`.
 */
import type { IncomingMessage } from 'node:http';

import { All, Controller, Inject, Param, Query as QueryOf, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { Reply } from '@diststore/http';

import type { ClusterState } from '../cluster/cluster-state.js';
import { CLUSTER_STATE, REGISTRY } from '../master.tokens.js';
import type { WorkerRegistry, WorkerView } from '../registry/worker-registry.js';
import { workerIndexOf } from './master.controller.js';

@Controller()
export class RedirectController {
  constructor(
    @Inject(REGISTRY) private readonly registry: WorkerRegistry,
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
  ) {}

  @All(['put/:key', 'put/:key/:value', 'get/:key', 'delete/:key', 'clear', 'v1/kv', 'v1/kv/*key'])
  redirect(
    @Req() request: IncomingMessage,
    @Param('key') key: string | undefined,
    @QueryOf('worker') worker: string | undefined,
  ): Reply {
    const { urls } = worker === undefined ? this.anyWorker(key) : this.chosenWorker(workerIndexOf(worker));
    const location = `${urls.http}${request.url ?? '/'}`;
    return Reply.json(307, { location }, ['Location', location]);
  }

  private anyWorker(key: string | undefined): WorkerView {
    const serving = this.registry.views().filter(({ state }) => state === 'serving');
    const [first] = serving;
    if (first === undefined) throw new StoreError('no-worker', 'No worker serves at this moment.');
    const { map } = this.state;
    if (map.settings.placement === 'hashed') {
      const owner = key === undefined ? undefined : map.ownerOf(map.partitionOf(Buffer.from(key)));
      return serving.find(({ index }) => index === owner?.index) ?? first;
    }
    if (serving.length === 1) return first;
    const indices = serving.map(({ index }) => index);
    const detail = `A value stays with the worker that is asked, and ${serving.length} serve. Add ?worker=<idx>: ${indices.join(', ')}.`;
    throw new StoreError('bad-parameter', detail, { facts: { parameter: 'worker', workers: indices } });
  }

  private chosenWorker(index: number): WorkerView {
    const view = this.registry.view(index);
    if (view === undefined) throw new StoreError('worker-not-found', `Worker ${index} is not known.`);
    if (view.state !== 'serving') throw new StoreError('retry-later', `Worker ${index} is ${view.state}.`);
    return view;
  }
}
