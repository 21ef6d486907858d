/**
 * What a server's answer means when it is not the one that was hoped for.
 */
import { TorrentError } from '../../errors.js'

/** An answer of an S3 server that is an error. Its body is anybody's: of the first bytes only the code is looked for. */
export function s3Failure(doing: string, place: string, status: number, body: string): TorrentError {
  const said = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(body)?.[1]
  const full =
    status === 507 ||
    (said !== undefined && /QuotaExceeded|InsufficientStorage|StorageFull|InsufficientCapacity/i.test(said))
  const answer = said === undefined ? `${status}` : `${status} ${said}`
  if (full) {
    return new TorrentError('ERR_TORRENTFS_DISK_FULL', `no room: cannot ${doing} ${place}: ${answer}`)
  }
  const hint = hintFor(status, said)
  return new TorrentError('ERR_TORRENTFS_STORAGE', `cannot ${doing} ${place}: ${answer}${hint}`)
}

/** Whether it may go better another time. */
export function isPassing(status: number): boolean {
  return (
    (status >= 500 && status !== 501 && status !== 505 && status !== 507) || status === 429 || status === 408
  )
}

function hintFor(status: number, said: string | undefined): string {
  if (said === 'NoSuchBucket') return ' (the bucket must exist)'
  if (said === 'RequestTimeTooSkewed') return " (this machine's clock is wrong)"
  if (status >= 300 && status < 400) return ' (the region or the endpoint is not the bucket’s)'
  if (status === 403) return ' (the keys are wrong, or may not do that)'
  return ''
}
