/**
 * What table-driven CRC needs: for each byte, its remainder by a polynomial of 32 bits, bits reversed (RFC 1952,
 * section 8).
 */
export function byteRemainders(polynomialReversed: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_unused, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ polynomialReversed : rest >>> 1;
    return rest;
  });
}
