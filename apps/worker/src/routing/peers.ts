/**
 * The other workers, as far as data goes: asks one a question, and answers theirs.
 *
 * Who they are and where is the cluster map's to say; how a question gets there is libs/transport's. A question is
 * answered by whoever is asked, or not at all: it is never passed on.
 */
import { ERRORS, isStoreError, StoreError } from '@diststore/base';
import type { ErrorCode } from '@diststore/base';
import type { WorkerIndex } from '@diststore/cluster';
import type { PeerLinks, RequestLink, Transport } from '@diststore/transport';

import type { AddressBook } from './peer-network.js';
import { type Answer, isWrite, type Question } from './question.js';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-codec.js';

/** Answers a question of a peer. What it throws as StoreError becomes an answer; anything else ends the process. */
export type Answerer = (question: Question) => Promise<Answer>;

const CHANNEL = 'requests';

/** An answer that takes longer will be waited for in vain: the client has given up or will. */
const ANSWER_TIMEOUT_MS = 5000;

const NO_KEY = Buffer.alloc(0);

export class Peers {
  private links: PeerLinks<RequestLink> | undefined;
  /** As of the newest map, which may come before there are links. */
  private book: AddressBook = [];

  private answerer: Answerer = () =>
    Promise.reject(new StoreError('retry-later', 'This worker is starting.'));

  /** @param fatal ends the process: what an answer threw was no operating error. */
  constructor(private readonly fatal: (error: unknown) => void) {}

  /** Who answers the questions of peers from now on; before, they are told to come again. */
  onQuestion(answerer: Answerer): void {
    this.answerer = answerer;
  }

  /** Begins to ask and to answer. Called once. */
  open(transport: Transport): void {
    this.links = transport.requestLinks(CHANNEL, { eager: false });
    this.links.follow(this.book);
    transport.serveRequests(CHANNEL, (bytes, reply) => {
      void this.serve(bytes).then((answer) => reply.send(answer));
    });
  }

  /** Makes the links match the map. */
  follow(book: AddressBook): void {
    this.book = book;
    this.links?.follow(book);
  }

  /**
   * Asks `worker`. The answer is definite.
   * @throws StoreError retry-later: it was not done; outcome-unknown: a write may or may not have been done; whatever
   *   the operation threw there.
   */
  async ask(worker: WorkerIndex, question: Question): Promise<Answer> {
    const link = this.links?.get(worker);
    if (link === undefined) throw unreachablePeer(worker, 'it is not in the cluster map');
    const outcome = await link.request(encodeQuestion(question), ANSWER_TIMEOUT_MS);
    switch (outcome.outcome) {
      case 'answered': {
        const answer = decodeAnswer(outcome.answer, keyOf(question));
        if (answer.type === 'error') throw errorOf(answer, worker);
        return answer;
      }
      case 'not-sent':
        throw unreachablePeer(worker, outcome.detail);
      case 'unknown':
        if (!isWrite(question)) throw unreachablePeer(worker, outcome.detail);
        throw new StoreError(
          'outcome-unknown',
          `Worker ${worker} was asked to write and did not answer: ${outcome.detail}.`,
          { facts: { worker } },
        );
    }
  }

  /** Never rejects. */
  private async serve(bytes: Buffer): Promise<Buffer[]> {
    let key: Buffer = NO_KEY;
    try {
      const question = decodeQuestion(bytes);
      key = keyOf(question);
      return encodeAnswer(await this.answerer(question), key);
    } catch (error) {
      if (!isStoreError(error)) {
        this.fatal(error);
        return [];
      }
      const { code, message: detail, facts } = error;
      return encodeAnswer({ type: 'error', code, detail, facts }, key);
    }
  }
}

/** The key of a `get`, whose answer is checked against it. */
function keyOf(question: Question): Buffer {
  if (question.type === 'confirm') return question.key;
  return question.type === 'perform' && question.operation.type === 'get' ? question.operation.key : NO_KEY;
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
