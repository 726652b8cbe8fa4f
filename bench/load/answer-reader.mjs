/**
 * Finds the ends of HTTP/1.1 answers in what a server sends on one connection, and keeps nothing of their bodies:
 * lengths given by Content-Length, and chunked bodies (RFC 9112, section 7.1), which etcd sends for all but its smallest
 * answers. Bodies that only end with the connection are no success here.
 *
 * Whatever comes in one piece is read in one go; only a head or a line that is cut by a packet's end is copied.
 */
import { Buffer } from 'node:buffer';

const LINE_END = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');
/** Where the status begins: `HTTP/1.1 200`. */
const SUCCESS_AT = 9;
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const CHUNK_SIZE = /^[0-9a-f]+/i;
/** Of a head, or of a line between chunks. */
const TEXT_BYTES_MAX = 64 * 1024;

export class AnswerReader {
  #answered;
  /** The beginning of a head or line that has not come whole. */
  #unread;
  /** Bytes to pass over before the next head or line. */
  #toSkip = 0;
  /** What comes then: a head, the size of a chunk, or the fields behind the last chunk. */
  #expected = 'head';

  /** @param answered called at the end of each answer. */
  constructor(answered) {
    this.#answered = answered;
  }

  /** @throws at an answer that is no success, or has neither a length nor chunks: with what has come of it. */
  take(chunk) {
    const bytes = this.#unread === undefined ? chunk : Buffer.concat([this.#unread, chunk]);
    this.#unread = undefined;
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#toSkip, bytes.length - at);
      at += skipped;
      this.#toSkip -= skipped;
      if (this.#toSkip > 0) return;
      if (this.#expected === 'end') {
        this.#expected = 'head';
        this.#answered();
      }
      if (at === bytes.length) return;
      const ending = this.#expected === 'head' ? HEAD_END : LINE_END;
      const textEnd = bytes.indexOf(ending, at);
      if (textEnd === -1) {
        if (bytes.length - at > TEXT_BYTES_MAX) throw new Error('A head or line of an answer does not end.');
        this.#unread = bytes.subarray(at);
        return;
      }
      this.#toSkip = this.#bodyBytesAfter(bytes.latin1Slice(at, textEnd), bytes, at);
      at = textEnd + ending.length;
    }
  }

  /** Understands a head or a line. @returns how many bytes to pass over then. */
  #bodyBytesAfter(text, bytes, at) {
    switch (this.#expected) {
      case 'head': {
        const length = CONTENT_LENGTH.exec(text)?.[1];
        const isChunked = length === undefined && CHUNKED.test(text);
        if (text[SUCCESS_AT] !== '2' || (length === undefined && !isChunked)) {
          throw new Error(`Not a success with a length or chunks:\n${bytes.latin1Slice(at)}`);
        }
        this.#expected = isChunked ? 'chunk size' : 'end';
        return Number(length ?? 0);
      }
      case 'chunk size': {
        const size = parseInt(CHUNK_SIZE.exec(text)?.[0], 16);
        if (Number.isNaN(size)) throw new Error(`Not the size of a chunk: ${text}`);
        if (size === 0) this.#expected = 'trailer';
        return size === 0 ? 0 : size + LINE_END.length;
      }
      default:
        if (text === '') this.#expected = 'end';
        return 0;
    }
  }
}
