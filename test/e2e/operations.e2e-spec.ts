/** What an operator meets: probes, metrics, logs, help, and a stop that loses nothing. */
import { describe, expect, it } from '@jest/globals';
import { type App, RawConnection, useSandbox } from '@diststore/testing';

const sandbox = useSandbox('each');

const KINDS = ['worker', 'master'] as const;

function start(kind: (typeof KINDS)[number], ...flags: string[]): Promise<App> {
  return kind === 'worker' ? sandbox().startWorker({ flags }) : sandbox().startMaster({ flags });
}

describe.each(KINDS)('a %s', (kind) => {
  it('answers probes, version and metrics', async () => {
    const { http } = await start(kind);
    for (const target of ['/livez', '/livez/', '/readyz']) {
      const { status, text, headers } = await http.get(target);
      expect([status, text, headers['cache-control']]).toEqual([200, 'ok', 'no-store']);
    }
    const verbose = await http.get('/readyz?verbose');
    expect(verbose.text).toMatch(/^(\[\+\][\w-]+ ok\n)+readyz check passed\n$/);
    expect(verbose.text).toContain('[+]storage ok\n');
    expect((await http.get('/version')).json()).toEqual({
      name: `diststore-${kind}`,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.version,
    });
    expectPrometheus((await http.get('/metrics')).text);
  });

  it('stops on SIGTERM and SIGINT with exit code 0', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const app = await start(kind);
      app.process.signal(signal);
      expect(await app.process.untilExit()).toEqual({ code: 0, signal: null });
      expect(app.process.output).toMatch(new RegExp(`Stopping \\(${signal}\\)[^]*Stopped\\n$`));
    }
  });

  it('logs one JSON object a line with --log-format=json', async () => {
    const app = await start(kind, '--log-format=json');
    await app.process.stop();
    const lines = app.process.output.trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const record of records) {
      expect(record).toMatchObject({
        level: expect.any(String),
        pid: app.process.pid,
        message: expect.any(String),
      });
    }
    expect(records.map(({ message }) => message)).toContain('Stopped');
  });

  it.each([
    [['--help'], /--http-port[^]*--data-dir[^]*--stop-deadline-ms/],
    [['--version'], /^\d+\.\d+\.\d+\n$/],
    [['--log-level=loud', '--help'], /--http-port/],
  ])('%j prints and exits 0, without touching anything', async (flags, text) => {
    const launch = kind === 'worker' ? sandbox().launchWorker({ flags }) : sandbox().launchMaster({ flags });
    const { process } = await launch;
    expect(await process.untilExit()).toEqual({ code: 0, signal: null });
    expect(process.stdout).toMatch(text);
    expect(process.stderr).toBe('');
  });
});

/** https://prometheus.io/docs/instrumenting/exposition_formats: every line is a comment or a sample of a declared metric. */
function expectPrometheus(text: string): void {
  const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{[a-zA-Z_]\w*="[^"\n]*"(?:,[a-zA-Z_]\w*="[^"\n]*")*,?\})? (\S+)$/;
  const declared = new Map<string, string>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.trimEnd().split('\n').filter(Boolean)) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'TYPE') declared.set(name, rest);
    if (keyword !== undefined) continue;
    expect(line).toMatch(SAMPLE);
    const [, sample = '', , value] = SAMPLE.exec(line) ?? [];
    const metric = declared.has(sample) ? sample : sample.replace(/_(bucket|sum|count)$/, '');
    expect([sample, declared.has(metric)]).toEqual([sample, true]);
    expect([sample, Number.isNaN(Number(value)) && value !== 'NaN' && value !== '+Inf']).toEqual([
      sample,
      false,
    ]);
    if (declared.get(metric) === 'counter') expect(sample).toMatch(/_total$/);
  }
}

describe('/metrics of a worker', () => {
  it('counts requests by route, method and status, writes and keys; a key is never a label', async () => {
    const { http } = await sandbox().startWorker();
    for (const key of ['secret-one', 'secret-two']) await http.put(`/put/${key}/value-of-it`);
    await http.get('/get/secret-one');
    await http.get('/get/secret-three');
    await http.get('/secret-route');
    await http.delete('/delete/secret-two');
    const { text, headers } = await http.get('/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expectPrometheus(text);
    for (const sample of [
      'diststore_http_requests_total{route="/put/:key/:value",method="PUT",code="201"} 2',
      'diststore_http_requests_total{route="/get/:key",method="GET",code="200"} 1',
      'diststore_http_requests_total{route="/get/:key",method="GET",code="404"} 1',
      'diststore_http_requests_total{route="/delete/:key",method="DELETE",code="200"} 1',
      'diststore_http_request_duration_seconds_count{route="/put/:key/:value",method="PUT"} 2',
      'diststore_keys 1',
    ]) {
      expect(text).toContain(`${sample}\n`);
    }
    for (const name of [
      'diststore_build_info',
      'diststore_http_connections',
      'diststore_http_connections_dropped_total',
      'diststore_data_bytes',
      'diststore_storage_writes_total',
      'diststore_storage_written_bytes_total',
      'diststore_storage_commit_duration_seconds_bucket',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_seconds',
    ]) {
      expect(text).toMatch(new RegExp(`^${name}[ {]`, 'm'));
    }
    expect(text).not.toMatch(/secret|value-of-it/);
  });
});

describe('SIGTERM', () => {
  it('lets requests under way finish, is not ready meanwhile, and takes no new connections', async () => {
    const worker = await sandbox().startWorker();
    const raw = await RawConnection.open(worker.url);
    raw.send('PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
    await raw.untilReceived(/100 Continue/);
    worker.process.signal('SIGTERM');
    await sandbox().eventually('it takes no new connections', async () => {
      const outcome = await RawConnection.open(worker.url).catch(() => 'refused');
      if (outcome instanceof RawConnection) outcome.close();
      return outcome === 'refused';
    });
    raw.send('happyGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
    const received = await raw.untilClosed();
    expect(received.match(/HTTP\/1\.1 (?!100)\d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 503']);
    expect(received).toMatch(/\[-\]shutdown failed: draining\nreadyz check failed/);
    expect(await worker.process.untilExit()).toEqual({ code: 0, signal: null });
    const again = await sandbox().startAgain(worker);
    expect((await again.http.get('/get/A')).text).toBe('happy');
  });

  it('under load: every request is answered or was not begun, and nothing acknowledged is lost', async () => {
    const worker = await sandbox().startWorker();
    const acknowledged = new Set<string>();
    let stopping = false;
    const client = async (name: string): Promise<void> => {
      for (let i = 0; ; i++) {
        const key = `${name}-${i}`;
        const answer = await worker.http.put(`/put/${key}/${key}`).catch(() => undefined);
        if (answer === undefined) return;
        // A worker that drains may still refuse, but never fail.
        expect(stopping ? [201, 503] : [201]).toContain(answer.status);
        if (answer.status === 201) acknowledged.add(key);
      }
    };
    const clients = Array.from({ length: 16 }, (_unused, i) => client(`client-${i}`));
    await sandbox().eventually('the load is on', () => acknowledged.size > 200);
    stopping = true;
    expect(await worker.process.stop()).toEqual({ code: 0, signal: null });
    await Promise.all(clients);

    const again = await sandbox().startAgain(worker);
    const { keys } = (await again.http.get('/worker')).json() as { keys: number };
    for (const key of acknowledged) expect((await again.http.get(`/get/${key}`)).text).toBe(key);
    // Those that were answered while the connection closed may be more, by one for each client.
    expect(keys - acknowledged.size).toBeLessThanOrEqual(clients.length);
  });

  it('a client that is stuck holds it up no longer than the deadline', async () => {
    const DEADLINE_MS = 1500;
    const worker = await sandbox().startWorker({ flags: [`--stop-deadline-ms=${DEADLINE_MS}`] });
    const raw = await RawConnection.open(worker.url);
    raw.send('PUT /put/A HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
    await raw.untilReceived(/100 Continue/);
    const startMs = performance.now();
    expect(await worker.process.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startMs).toBeLessThan(2 * DEADLINE_MS);
    expect(await raw.untilClosed()).not.toMatch(/201/);
  });

  it('in good order, nothing has to be recovered: the start after it is a start like any other', async () => {
    const worker = await sandbox().startWorker();
    await worker.http.put('/put/A/1');
    const before = (await worker.http.get('/worker')).json() as { boot: number; storeId: string };
    await worker.process.stop();
    const again = await sandbox().startAgain(worker);
    expect((await again.http.get('/worker')).json()).toMatchObject({
      storeId: before.storeId,
      boot: before.boot + 1,
      keys: 1,
    });
    expect(again.process.output).not.toMatch(/WARN|ERROR/);
  });
});
