/**
 * What a decoder answers when its input is not the protocol. There is no way to find the next message after that, so
 * the error is final: the decoder answers it for ever and the connection is to be closed, after a client was told.
 */
export interface ProtocolError {
  readonly kind: 'protocol-error';
  /** The text as Redis words it, without the `ERR ` prefix and without line ends. */
  readonly message: string;
}

export function protocolError(detail: string): ProtocolError {
  return { kind: 'protocol-error', message: `Protocol error: ${detail}` };
}
