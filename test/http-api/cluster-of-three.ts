/** A cluster of three workers behind one master, for the tests of this folder. */
import { expect } from '@jest/globals';
import type { App, Sandbox } from '@diststore/testing';

export interface Cluster {
  readonly master: App;
  /** Origins of the workers. */
  readonly urls: readonly string[];
}

const WORKERS = 3;

/** Resolves when every worker knows a primary of every partition. */
export async function startCluster(box: Sandbox, flags: readonly string[] = []): Promise<Cluster> {
  const master = await box.startMaster({ flags: [`--bootstrap-expect=${WORKERS}`, ...flags] });
  const urls: string[] = [];
  for (let index = 1; index <= WORKERS; index += 1) {
    const created = await master.http.get(`/worker/${index}`);
    expect([200, 201]).toContain(created.status);
    urls.push((created.json() as { urls: { http: string } }).urls.http);
  }
  for (const url of urls) {
    const http = box.client(url);
    await box.eventually(`${url} knows a primary of every partition`, async () => {
      const { health, formed } = (await http.get('/v1/cluster')).json() as {
        health: { unserved: number };
        formed: boolean;
      };
      return formed && health.unserved === 0;
    });
  }
  return { master, urls };
}
