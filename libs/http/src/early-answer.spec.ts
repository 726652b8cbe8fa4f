import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { RawConnection } from '../test/raw-connection.js';
import { Reply, writeReply } from './reply.js';

const PUT = 'PUT /a HTTP/1.1\r\nHost: x\r\n';
const MIB = 1024 * 1024;

let server: Server;
afterEach(() => void server.close());

/** A server that refuses every request without reading its body. */
async function refusing(status = 413): Promise<RawConnection> {
  server = createServer((_req, res) => writeReply(res, Reply.text(status, 'no')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return RawConnection.open(server);
}

describe('an answer before the end of the body', () => {
  it('is delivered at once, and the connection closes when the client has sent everything', async () => {
    const connection = await refusing();
    connection.send(`${PUT}Content-Length: ${MIB}\r\n\r\n`);
    expect(await connection.answer()).toMatchObject({
      status: 413,
      headers: { connection: 'close' },
      body: 'no',
    });
    await connection.send(Buffer.alloc(MIB)).closed();
    expect(connection.socket.errored).toBeNull();
  });

  it('closes when the client does', async () => {
    const connection = await refusing();
    connection.send(`${PUT}Transfer-Encoding: chunked\r\n\r\n`);
    await connection.answer();
    connection.socket.end();
    await connection.closed();
  });

  it.each([204, 304])('has no body with %i either', async (status) => {
    const connection = await refusing(status);
    connection.send(`${PUT}Transfer-Encoding: chunked\r\n\r\n`);
    expect(await connection.answer()).toMatchObject({ status, headers: { connection: 'close' } });
    connection.socket.destroy();
  });

  it('keeps the connection when little is left to come', async () => {
    const connection = await refusing();
    connection.send(`${PUT}Content-Length: 1000\r\n\r\n`);
    expect(await connection.answer()).toMatchObject({ headers: { connection: 'keep-alive' } });
    connection.send(`${'x'.repeat(1_000)}${PUT}\r\n`);
    expect((await connection.answer()).body).toBe('no');
    connection.socket.destroy();
  });

  it('reads from a client that never stops only so much, and closes after a while', async () => {
    const connection = await refusing();
    const accepted = new Promise<Socket>((resolve) => server.once('request', (req) => resolve(req.socket)));
    connection.send(`${PUT}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `${MIB.toString(16)}\r\n${'e'.repeat(MIB)}\r\n`;
    const sendOn = (): void => {
      if (connection.socket.writable) connection.socket.write(chunk, sendOn);
    };
    sendOn();
    await connection.answer();
    await connection.closed();
    expect((await accepted).bytesRead).toBeLessThan(34 * MIB);
  });
});
