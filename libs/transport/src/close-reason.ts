/** How a connection came to its end: for logs, and for what depends on it to decide by `code`. */
export type CloseCode =
  /** This side closed it, in order. */
  | 'closed'
  /** This side cut it: the detail says why. */
  | 'cut'
  /** The peer said goodbye. */
  | 'closed-by-peer'
  /** The peer answered the dialling and was then not accepted by who dialled. */
  | 'refused-by-peer'
  /** It broke, or the peer went away without a word. */
  | 'lost'
  /** Nothing was heard for too long. */
  | 'silent'
  /** What came was no frame, or no message of its channel. */
  | 'protocol-error';

export interface CloseReason {
  readonly code: CloseCode;
  /** For people. May quote the peer. */
  readonly detail: string;
}
