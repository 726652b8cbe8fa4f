/**
 * Ends a socket so that its peer can read the last word: a socket destroyed at once, with unread bytes in it, is reset,
 * and a reset takes back what the peer has not read yet.
 */
import type { Socket } from 'node:net';

/** How long a peer has to read the last word and close. Beyond: the socket is destroyed. */
const LINGER_MS = 1_000;

/**
 * Writes `lastWord`, if any, ends the socket, reads and drops what still comes, and destroys it when the peer has
 * closed, or soon. REQUIRES: an 'error' listener, and that nobody else reads from it any more.
 */
export function linger(socket: Socket, lastWord?: Buffer | string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  if (lastWord === undefined) socket.end();
  else socket.end(lastWord);
  socket.resume();
}
