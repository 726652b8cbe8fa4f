/**
 * One open connection with one peer: messages in, messages out, both bounded.
 *
 *     open --close()--> closing: consumer drains, queue is flushed, goodbye, FIN --+--> closed
 *       \-- cut(), goodbye or refusal by the peer, error, silence, malformed bytes -+
 *
 * Invariants:
 * - The consumer sees whole messages with the right checksum, in the order in which they were sent, or nothing; after
 *   `onClose`, which comes exactly once, nothing.
 * - What is accepted for sending never exceeds sendQueueBytesMax; what is held of the peer's bytes is one chunk of the
 *   socket (64 KiB), one message, half as much again while that grows, and what Node holds back while paused (64 KiB).
 * - A message that was not handed over by the time the connection closed has had no effect at the peer.
 * - `start`, `send`, `pause`, `resume` and `close` never call the consumer before they return; `cut` and `protocolError`
 *   call its `onClose`.
 *
 * A dead peer is noticed after silenceMs without a byte, at most two heartbeats later (heartbeat.ts); a peer that
 * breathes but does not read is not dead: it fills the send queue, which then refuses.
 *
 * Not for the handshake: that is over when this begins. Not for reconnecting: see peer-link.ts.
 */
import type { Socket } from 'node:net';

import { invariant } from '@diststore/base';

import type { CloseReason } from './close-reason.js';
import type { ChannelCounters } from './counters.js';
import { FRAME, controlFrame } from './frame.js';
import { FrameDecoder } from './frame-decoder.js';
import type { Agreement } from './handshake.js';
import { Heartbeat } from './heartbeat.js';
import type { Hello } from './hello.js';
import type { TransportLimits } from './limits.js';
import { linger } from './linger.js';
import { bytesOf, piecesOf } from './message.js';
import type { Message } from './message.js';
import { Outbox } from './outbox.js';
import type { Direction } from './peer-event.js';
import { quoted } from './refusal.js';

/** What a connection is for. Its methods must not throw: what they throw ends the process. */
export interface Consumer {
  /**
   * One whole message. The buffer belongs to the consumer and is never written again; it may be a view of a 64 KiB
   * chunk, so who keeps a small one for long copies it.
   */
  onMessage(message: Buffer): void;
  /** Called once. Which messages may have reached the peer: see `wasHandedOver`. */
  onClose(reason: CloseReason): void;
  /** Finishes what is under way when the connection is closed in order. Must settle when the connection closes. */
  drain?(): Promise<void>;
}

export interface PeerConnectionOptions extends Agreement {
  readonly socket: Socket;
  /** What has been read from the socket behind the handshake. */
  readonly head: Buffer;
  readonly peer: Hello;
  readonly direction: Direction;
  readonly limits: TransportLimits;
  readonly counters: ChannelCounters;
  /** Called once, before the consumer's `onClose`. */
  readonly onFinished: (connection: PeerConnection, reason: CloseReason) => void;
}

/** When the kernel looks whether a quiet peer is there. Only a second net: see heartbeat.ts. */
const KEEP_ALIVE_MS = 10_000;

/** Nothing more to say, but the peer is given time to read what was said. */
const NO_WORD = Buffer.alloc(0);

export class PeerConnection {
  /** What the peer said of itself. */
  readonly peer: Hello;
  readonly direction: Direction;
  readonly channel: string;
  /** The protocol version and the features that both sides use. */
  readonly protocol: number;
  readonly features: ReadonlySet<string>;
  /** Settles when the socket is gone. */
  readonly done: Promise<void>;

  private readonly socket: Socket;
  private readonly decoder: FrameDecoder;
  private readonly outbox: Outbox;
  private readonly heartbeat: Heartbeat;
  private consumer: Consumer | undefined = undefined;

  private state: 'open' | 'draining' | 'flushing' | 'closed' = 'open';
  private paused = false;
  private pumping = false;
  private closeTimer: NodeJS.Timeout | undefined = undefined;

  constructor(private readonly options: PeerConnectionOptions) {
    const { socket, peer, limits } = options;
    this.peer = peer;
    this.direction = options.direction;
    this.channel = peer.channel;
    this.protocol = options.protocol;
    this.features = options.features;
    this.socket = socket;
    this.decoder = new FrameDecoder(limits.messageBytesMax);
    this.outbox = new Outbox(socket, limits.sendQueueBytesMax, options.counters);
    // A peer whose own heartbeat is slower than expected here must not look dead for it.
    const silenceMs = Math.max(limits.silenceMs, 3 * peer.heartbeatMs);
    this.heartbeat = new Heartbeat({
      beatMs: limits.heartbeatMs,
      silentBeatsMax: Math.ceil(silenceMs / limits.heartbeatMs),
      onQuiet: () => {
        this.outbox.ping();
      },
      onSilent: () => {
        this.finish({ code: 'silent', detail: `nothing was heard for ${silenceMs} ms` });
      },
    });
    this.done = new Promise((resolve) => socket.once('close', resolve));
  }

  /** Lets messages in. For who opened the connection; called once, in the turn in which it was made. */
  start(consumer: Consumer): void {
    invariant(
      this.consumer === undefined && this.state === 'open',
      'a connection is started once, while open',
    );
    this.consumer = consumer;
    const { socket } = this;
    // Before there is a listener, or it would be called within this call.
    if (this.options.head.length > 0) socket.unshift(this.options.head);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setTimeout(0);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.finish({ code: 'lost', detail: error.code ?? error.message });
    });
    socket.on('end', () => {
      this.finish({ code: 'lost', detail: 'the peer ended the connection without a goodbye' });
    });
    socket.on('close', () => {
      this.finish({ code: 'lost', detail: 'the connection is gone' });
    });
    socket.on('data', (chunk: Buffer) => {
      this.receive(chunk);
    });
  }

  /** Whether messages are accepted. */
  get isOpen(): boolean {
    return this.state === 'open' || this.state === 'draining';
  }

  /** Accepted and not yet written to the kernel, in bytes. */
  get queuedBytes(): number {
    return this.outbox.bytes;
  }

  /**
   * Queues one message; everything that is sent in one turn of the event loop leaves in one write.
   *
   * REQUIRES: at most messageBytesMax; the bytes never change again, they belong to the connection.
   * @returns a number above 0 to ask `wasHandedOver` with; 0: refused, nothing was taken, because the queue has no
   *   room for it (see `room`) or the connection is not open.
   */
  send(message: Message): number {
    const pieces = piecesOf(message);
    const bytes = bytesOf(pieces);
    const { messageBytesMax } = this.options.limits;
    invariant(bytes <= messageBytesMax, 'a message has at most messageBytesMax', { bytes, messageBytesMax });
    if (!this.isOpen) return 0;
    this.heartbeat.spoke = true;
    return this.outbox.send(pieces, bytes);
  }

  /**
   * Whether the message that `send` numbered so was handed to the kernel as a whole, and so may have reached the peer.
   * Once the connection is closed, false is final: the message has had no effect.
   */
  wasHandedOver(sent: number): boolean {
    return this.outbox.wasHandedOver(sent);
  }

  /** Settles when the queue is at most half full, so that any message fits (true), or the connection closed (false). */
  room(): Promise<boolean> {
    return this.outbox.room();
  }

  /** Delivers nothing more until `resume`; the peer is held back by TCP. A silent peer is not noticed meanwhile. */
  pause(): void {
    if (this.paused || this.state === 'closed') return;
    this.paused = true;
    this.heartbeat.deaf = true;
    this.socket.pause();
  }

  /** Delivers again, in a later turn of the event loop. */
  resume(): void {
    if (!this.paused || this.state === 'closed') return;
    this.paused = false;
    this.heartbeat.deaf = false;
    // Inside the loop of `pump`, that loop goes on.
    if (!this.pumping)
      setImmediate(() => {
        this.pump();
        if (!this.paused && this.state !== 'closed') this.socket.resume();
      });
    else this.socket.resume();
  }

  /**
   * Closes in order: the consumer finishes what is under way, what is queued is written, the peer is told. What is not
   * done after `deadlineMs` is cut. May be called again; the first call counts.
   * @returns when the connection is gone. Never rejects.
   */
  close(deadlineMs: number): Promise<void> {
    if (this.state === 'open') {
      this.state = 'draining';
      this.closeTimer = setTimeout(() => {
        this.cut(`closing took longer than ${deadlineMs} ms`);
      }, deadlineMs);
      void Promise.resolve(this.consumer?.drain?.()).then(() => {
        // It may have broken meanwhile.
        if (this.state !== 'draining') return;
        this.state = 'flushing';
        this.outbox.finish(controlFrame(FRAME.goodbye), () => {
          this.finish({ code: 'closed', detail: 'in order' }, NO_WORD);
        });
      });
    }
    return this.done;
  }

  /** Closes at once; what is queued is dropped. The peer is told `detail`, if it reads on. */
  cut(detail: string): void {
    this.finish({ code: 'cut', detail }, controlFrame(FRAME.goodbye, detail));
  }

  /** Closes at once because a message is none of its channel. For the protocols on top. */
  protocolError(detail: string): void {
    this.finish({ code: 'protocol-error', detail }, controlFrame(FRAME.goodbye, `protocol error: ${detail}`));
  }

  private receive(chunk: Buffer): void {
    // It is read only so that the end is seen.
    if (this.state === 'closed') return;
    this.heartbeat.heard = true;
    this.options.counters.bytesReceived += chunk.length;
    this.decoder.push(chunk);
    this.pump();
  }

  private pump(): void {
    this.pumping = true;
    while (!this.paused && this.state !== 'closed') {
      const payload = this.decoder.next();
      if (payload === undefined) break;
      this.handle(payload);
    }
    this.pumping = false;
    if (this.decoder.problem !== undefined) this.protocolError(this.decoder.problem);
  }

  private handle(payload: Buffer): void {
    switch (this.decoder.kind) {
      case FRAME.message:
        this.options.counters.messagesReceived++;
        if (this.state !== 'flushing') this.consumer?.onMessage(payload);
        return;
      case FRAME.goodbye:
        this.finish({ code: 'closed-by-peer', detail: quoted(payload.toString()) || 'in order' }, NO_WORD);
        return;
      case FRAME.refusal:
        this.finish({ code: 'refused-by-peer', detail: quoted(payload.toString()) }, NO_WORD);
        return;
      default:
        return; // A ping: that something came is all it says.
    }
  }

  /** The only way to `closed`. With a last word, even an empty one, the peer is given time to read what was written. */
  private finish(reason: CloseReason, lastWord?: Buffer): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.heartbeat.stop();
    clearTimeout(this.closeTimer);
    this.outbox.stop();
    if (lastWord === undefined) this.socket.destroy();
    else linger(this.socket, lastWord.length === 0 ? undefined : lastWord);
    this.options.onFinished(this, reason);
    this.consumer?.onClose(reason);
  }
}
