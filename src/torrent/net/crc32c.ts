/**
 * CRC-32C (Castagnoli), which ranks connections (BEP 40) and ties DHT ids to addresses (BEP 42). Pure.
 */

/** The checksum, in [0, 2^32). Bit by bit: it is taken of 32 bytes at most, once an address. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
