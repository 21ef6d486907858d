/**
 * A place of named objects, as a blob storage needs one: each is written whole, and replaced or removed at once.
 *
 * Owns the interface. Names are 40 hexadecimal digits, in 256 groups by their first two. What such a place holds is
 * anybody's until it was hashed.
 */

/** An object, whole. */
export interface FoundObject {
  readonly bytes: Uint8Array
  /** Says which content it was; another one has another. */
  readonly version: string
}

/** A place of objects. What it throws is a TorrentError that names the object and the place. */
export interface ObjectStore {
  /** A request costs more than what it brings: two parts of one object are better fetched as a whole. */
  readonly far: boolean
  /**
   * What objects a group has.
   *
   * @param group two hexadecimal digits
   * @returns names, with their sizes in bytes where the place tells them without being asked for each
   */
  list(group: string): Promise<Map<string, number | undefined>>
  /**
   * The whole of an object; undefined when there is none, or when it has not exactly `size` bytes: it is not read then.
   */
  get(name: string, size: number): Promise<FoundObject | undefined>
  /**
   * Copies bytes from `begin` on into `target`, if the object is still that version.
   *
   * @returns false when it is not, or not there: `target` may then hold anything
   */
  read(name: string, begin: number, target: Uint8Array, version: string): Promise<boolean>
  /**
   * Puts an object in its place, whole or not at all. `bytes` are the caller's again when the promise settles.
   *
   * @returns its version
   */
  put(name: string, bytes: Uint8Array): Promise<string>
  /** Removes an object. One that is not there is no error. */
  remove(name: string): Promise<void>
  /** Gives up what is under way. Called once; nothing else is afterwards. */
  close(): Promise<void>
}
