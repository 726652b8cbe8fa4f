/**
 * The other workers, as far as data goes: asks one a question, and answers theirs.
 *
 * Who they are and where is the cluster map's to say; how a question gets there is libs/transport's. A question is
 * answered by whoever is asked, or not at all: it is never passed on.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { Random } from '@diststore/base';
import { ERRORS, isStoreError, StoreError } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';
import type { ClusterMap, WorkerIndex } from '@diststore/cluster';
import type { Lifecycle, Log } from '@diststore/process';
import { systemClock } from '@diststore/process';
import type { PeerEvent, PeerIdentity, PeerLinks, RequestLink } from '@diststore/transport';
import { describeEvent, isTrouble, Transport } from '@diststore/transport';

import type { Answer, Question } from './operation.js';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-codec.js';

export interface PeersOptions {
  readonly self: Omit<PeerIdentity, 'cluster'>;
  readonly maxValueBytes: number;
  readonly random: Random;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** Answers a question of a peer. What it throws as StoreError becomes an answer; anything else ends the process. */
export type Answerer = (question: Question) => Promise<Answer>;

const CHANNEL = 'requests';

/** An answer that takes longer will be waited for in vain: the client has given up or will. */
const ANSWER_TIMEOUT_MS = 5000;

/** What a question holds besides the value: key, content type, and the fields around them. */
const QUESTION_MARGIN_BYTES = 64 * 1024;

const NO_KEY = Buffer.alloc(0);

export class Peers {
  /** Made with the first map, which says which cluster this is. */
  private transport: Transport | undefined;
  private links: PeerLinks<RequestLink> | undefined;

  private answerer: Answerer = () =>
    Promise.reject(new StoreError('retry-later', 'This worker is starting.'));

  constructor(private readonly options: PeersOptions) {}

  /** Who answers the questions of peers from now on; before, they are told to come again. */
  onQuestion(answerer: Answerer): void {
    this.answerer = answerer;
  }

  /** Makes the links match the map. */
  follow(map: ClusterMap): void {
    this.transport ??= this.open(map);
    this.links ??= this.transport.requestLinks(CHANNEL, { eager: false });
    const present = map.workers().filter(({ state }) => state !== 'removed');
    this.links.follow(present.map(({ index, http }) => [index, http]));
  }

  /** Takes over a connection that a peer has opened. Before the first map, nobody can be admitted. */
  readonly upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    if (this.transport === undefined) socket.destroy();
    else this.transport.upgrade(request, socket, head);
  };

  /**
   * Asks `worker`. The answer is definite.
   * @param isWrite whether an answer that does not come leaves it open what has happened.
   * @throws StoreError retry-later: it was not done; outcome-unknown: a write may or may not have been done; whatever
   *   the operation threw there.
   */
  async ask(worker: WorkerIndex, question: Question, { isWrite }: { isWrite: boolean }): Promise<Answer> {
    const link = this.links?.get(worker);
    if (link === undefined) throw unreachablePeer(worker, 'it is not in the cluster map');
    const outcome = await link.request(encodeQuestion(question), ANSWER_TIMEOUT_MS);
    switch (outcome.outcome) {
      case 'answered': {
        const answer = decodeAnswer(outcome.answer, 'clear' in question ? NO_KEY : question.operation.key);
        if (answer.type === 'error') throw errorOf(answer, worker);
        return answer;
      }
      case 'not-sent':
        throw unreachablePeer(worker, outcome.detail);
      case 'unknown':
        if (!isWrite) throw unreachablePeer(worker, outcome.detail);
        throw new StoreError(
          'outcome-unknown',
          `Worker ${worker} was asked to write and did not answer: ${outcome.detail}.`,
          { facts: { worker } },
        );
    }
  }

  async close(deadlineMs: number): Promise<void> {
    await this.transport?.close(deadlineMs);
  }

  private open(map: ClusterMap): Transport {
    const { self, maxValueBytes, random, log } = this.options;
    const messageBytesMax = maxValueBytes + QUESTION_MARGIN_BYTES;
    const transport = new Transport({
      identity: { ...self, cluster: map.settings.clusterId },
      limits: { messageBytesMax, sendQueueBytesMax: 2 * (messageBytesMax + QUESTION_MARGIN_BYTES) },
      clock: systemClock,
      random,
      onEvent: (event, suppressed) => logEvent(log, event, suppressed),
    });
    transport.serveRequests(CHANNEL, (bytes, reply) => {
      void this.serve(bytes).then((answer) => reply.send(answer));
    });
    return transport;
  }

  /** Never rejects. */
  private async serve(bytes: Buffer): Promise<Buffer[]> {
    let key: Buffer = NO_KEY;
    try {
      const question = decodeQuestion(bytes);
      if (!('clear' in question)) key = question.operation.key;
      return encodeAnswer(await this.answerer(question), key);
    } catch (error) {
      if (!isStoreError(error)) {
        this.options.lifecycle.fatal(error);
        return [];
      }
      const { code, message: detail, facts } = error;
      return encodeAnswer({ type: 'error', code, detail, facts }, key);
    }
  }
}

function unreachablePeer(worker: number, detail: string): StoreError {
  return new StoreError('retry-later', `Worker ${worker} cannot be reached: ${detail}.`, {
    facts: { worker },
  });
}

/** An error of the peer, as if it had happened here; the codes of a later version are unknown here. */
function errorOf(answer: Extract<Answer, { type: 'error' }>, worker: number): StoreError {
  const { code, detail, facts } = answer;
  if (!(code in ERRORS)) return new StoreError('internal', `Worker ${worker} answered ${code}: ${detail}`);
  // A peer that stops is not this worker stopping: another try finds the partition elsewhere, or back.
  const known = code === 'store-closed' || code === 'draining' ? 'retry-later' : (code as ErrorCode);
  return new StoreError(known === 'store-failed' ? 'outcome-unknown' : known, detail, { facts });
}

function logEvent(log: Log, event: PeerEvent, suppressed: number): void {
  if (!isTrouble(event)) return;
  log.warn(`${describeEvent(event)}${suppressed > 0 ? ` (and ${suppressed} times before)` : ''}`);
}
