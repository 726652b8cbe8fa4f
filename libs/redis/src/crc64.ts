/**
 * CRC-64 as Redis uses it (the polynomial of Jones): 0xad93d23594c935a9, input and output reflected, initial value 0,
 * no final xor; the check value of "123456789" is e9c6d914c4b8d9ca. In two 32-bit halves, since bigints are slow.
 */

/** The polynomial with its bits reversed. */
const POLYNOMIAL_HIGH = 0x95ac9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;

const TABLE_HIGH = new Uint32Array(256);
const TABLE_LOW = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const carry = (low & 1) === 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry) {
      high ^= POLYNOMIAL_HIGH;
      low ^= POLYNOMIAL_LOW;
    }
  }
  TABLE_HIGH[byte] = high;
  TABLE_LOW[byte] = low;
}

/** Eight bytes, the lowest first. */
export function crc64(bytes: Buffer): Buffer {
  let high = 0;
  let low = 0;
  for (let i = 0; i < bytes.length; i++) {
    const at = (low ^ (bytes[i] as number)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (TABLE_LOW[at] as number);
    high = (high >>> 8) ^ (TABLE_HIGH[at] as number);
  }
  const sum = Buffer.alloc(8);
  sum.writeUInt32LE(low >>> 0, 0);
  sum.writeUInt32LE(high >>> 0, 4);
  return sum;
}
