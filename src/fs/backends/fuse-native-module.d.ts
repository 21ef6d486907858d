/** The part of fuse-native 2.2.6 that is used here; the package brings no types. */
declare module 'fuse-native' {
  type Done = (errnoOrCount: number, ...results: unknown[]) => void

  interface FuseStat {
    ino: number
    mode: number
    nlink: number
    uid: number
    gid: number
    size: number
    blocks: number
    blksize: number
    mtime: number
    atime: number
    ctime: number
  }

  class Fuse {
    constructor(mountDir: string, operations: Record<string, (...args: never[]) => void>, options: object)
    /** Runs a shell: must be replaced before use. */
    static unmount(mountDir: string, done: (error: Error | null) => void): void
    mount(done: (error: Error | null) => void): void
    unmount(done: (error: Error | null) => void): void
  }

  export type { Done, FuseStat }
  export default Fuse
}
