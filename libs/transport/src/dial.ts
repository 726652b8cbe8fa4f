/**
 * One attempt to open a connection: TCP, then HTTP/1.1 Upgrade at the peer's HTTP port. Ends with a socket and the
 * peer's hello, not yet judged, or with the reason why there is none.
 */
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { HELLO_HEADER, PEER_PATH, UPGRADE_PROTOCOL, encodeHello } from './hello.js';
import type { Hello } from './hello.js';
import { detailOfResponse } from './refusal.js';

/** A host name or IP address, an IPv6 one without brackets, and the peer's HTTP port. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface Upgraded {
  readonly socket: Socket;
  /** What the peer has sent behind its answer. */
  readonly head: Buffer;
  /** The peer's hello as text; undefined: it sent none. */
  readonly helloText: string | undefined;
}

export type DialOutcome =
  | { readonly ok: true; readonly upgraded: Upgraded }
  /** `detail`: the peer's own reason if it gave one. */
  | { readonly ok: false; readonly detail: string };

export interface DialOptions {
  readonly address: PeerAddress;
  readonly hello: Hello;
  readonly timeoutMs: number;
}

/** Of the body of an answer that is no upgrade. The rest is not read. */
const REFUSAL_BYTES_MAX = 8 * 1024;

/**
 * Begins an attempt.
 * @param done called once, never before `dial` returns, and not at all after a cancel. It takes over the socket in the
 *   same turn: errors of the socket are swallowed until it listens itself.
 * @returns cancels the attempt.
 */
export function dial(
  { address, hello, timeoutMs }: DialOptions,
  done: (outcome: DialOutcome) => void,
): () => void {
  let attempt: ClientRequest | undefined = undefined;
  let settled = false;
  const settle = (outcome: DialOutcome): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    if (!outcome.ok) attempt?.destroy();
    done(outcome);
  };
  const fail = (detail: string): void => {
    settle({ ok: false, detail });
  };
  const timer = setTimeout(() => {
    fail(`no answer within ${timeoutMs} ms`);
  }, timeoutMs);

  try {
    attempt = request({
      host: address.host,
      port: address.port,
      path: PEER_PATH,
      headers: { Connection: 'Upgrade', Upgrade: UPGRADE_PROTOCOL, [HELLO_HEADER]: encodeHello(hello) },
      // Not a connection of Node's pool: it is never given back.
      agent: false,
    });
    attempt.on('error', (error: NodeJS.ErrnoException) => {
      fail(error.code ?? error.message);
    });
    attempt.on('response', (response) => {
      readDetail(response, fail);
    });
    attempt.on('upgrade', (response, socket: Socket, head: Buffer) => {
      // Without a listener, a reset would end the process.
      socket.on('error', () => socket.destroy());
      if (settled) {
        socket.destroy();
      } else if (response.headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) {
        socket.destroy();
        fail('upgraded to another protocol');
      } else {
        const helloText = response.headers[HELLO_HEADER] as string | undefined;
        settle({ ok: true, upgraded: { socket, head, helloText } });
      }
    });
    attempt.end();
  } catch (error) {
    // What Node finds wrong with an address before it tries: it comes from another worker's registration.
    setImmediate(fail, `not an address: ${(error as NodeJS.ErrnoException).code ?? 'invalid'}`);
  }

  return () => {
    settled = true;
    clearTimeout(timer);
    attempt?.destroy();
  };
}

function readDetail(response: IncomingMessage, fail: (detail: string) => void): void {
  const status = response.statusCode ?? 0;
  let body = '';
  const finish = (): void => {
    fail(detailOfResponse(status, body));
  };
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    body += text;
    if (body.length > REFUSAL_BYTES_MAX) finish();
  });
  response.on('end', finish);
  response.on('error', finish);
}
