/** What a sender hands over: bytes in one piece or several, which count as one message. */
export type Message = Buffer | readonly Buffer[];

export function piecesOf(message: Message): readonly Buffer[] {
  return Buffer.isBuffer(message) ? [message] : message;
}

export function bytesOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}
