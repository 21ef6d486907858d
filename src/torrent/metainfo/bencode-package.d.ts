/** What is used of the `bencode` package, which ships no types. Only `bencode.ts` may import it. */
declare module 'bencode' {
  const bencode: {
    encode(value: unknown): Uint8Array
  }
  export default bencode
}
