/**
 * What the kernel asks, as data. PURE: types only.
 *
 * The wire form is `struct fuse_in_header` and an argument per opcode (Linux `include/uapi/linux/fuse.h`, ABI 7.31 and
 * later). 64-bit ids and offsets are numbers: ids are given out by us or count up, offsets stay below 2^53.
 */

/** Of every request. */
export interface RequestHead {
  /** Names the request in its reply and in an `interrupt`. */
  readonly unique: number
  /** The node it is about; 1 is the root, 0 for requests about none. */
  readonly node: number
  readonly uid: number
  readonly gid: number
  /** Thread that asked, in our pid namespace; 0 when it is not visible there. */
  readonly pid: number
}

export type RequestBody =
  | {
      readonly type: 'init'
      readonly major: number
      readonly minor: number
      /** Bytes. */
      readonly maxReadahead: number
      /** Bits 0-31 and, where the kernel sends them, 32-63. */
      readonly flags: number
      readonly flags2: number
    }
  /** `name` is undefined when it is no valid UTF-8: then there is no such file. */
  | { readonly type: 'lookup'; readonly name: string | undefined }
  | { readonly type: 'forget'; readonly lookups: number }
  | {
      readonly type: 'batchForget'
      readonly items: readonly { readonly node: number; readonly lookups: number }[]
    }
  | { readonly type: 'getattr' }
  | { readonly type: 'statx' }
  /** `flags` of open(2). */
  | { readonly type: 'open'; readonly flags: number }
  | { readonly type: 'opendir' }
  | { readonly type: 'release'; readonly handle: number }
  | { readonly type: 'releasedir'; readonly handle: number }
  /** `flags` of the open file, so O_DIRECT can be seen. */
  | {
      readonly type: 'read'
      readonly handle: number
      readonly offset: number
      readonly size: number
      readonly flags: number
    }
  | {
      readonly type: 'readdir' | 'readdirplus'
      readonly handle: number
      readonly offset: number
      readonly size: number
    }
  | { readonly type: 'statfs' }
  /** `size` 0 asks for the length only. */
  | { readonly type: 'getxattr'; readonly name: string | undefined; readonly size: number }
  | { readonly type: 'listxattr'; readonly size: number }
  | { readonly type: 'flush'; readonly handle: number }
  /** R_OK 4, W_OK 2, X_OK 1. */
  | { readonly type: 'access'; readonly mask: number }
  /** `target` is the unique of the request to end. */
  | { readonly type: 'interrupt'; readonly target: number }
  | { readonly type: 'destroy' }
  /** Anything that would change the filesystem: mknod, write, setattr, setxattr, ioctl that sets, ... */
  | { readonly type: 'modify'; readonly opcode: number }
  /** The kernel's answer to a notification of ours: has no reply. */
  | { readonly type: 'notifyReply' }
  /** An opcode that is not known here. */
  | { readonly type: 'unknown'; readonly opcode: number }
  /** A known opcode whose argument is too short or senseless. */
  | { readonly type: 'malformed'; readonly opcode: number }

export type FuseRequest = RequestHead & RequestBody
