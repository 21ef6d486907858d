/**
 * The limits of what a client sends and receives, over all its torrents, and of whom it sends to.
 *
 * Owns the two limiters. Only payload counts.
 */
import { checkRates, type ClientOptions, type Rates } from './config.js'
import { uploadSlots } from './core/choker.js'
import { RateLimiter, type RateStatus } from './net/rate-limiter.js'

/** The limits of a client, and who waits for them. */
export interface RatesStatus {
  readonly download: RateStatus
  readonly upload: RateStatus
}

export class RateLimits {
  readonly download: RateLimiter
  readonly upload: RateLimiter
  readonly #disableUpload: boolean

  constructor(options: Pick<ClientOptions, 'maxDownloadRate' | 'maxUploadRate' | 'disableUpload'>) {
    this.download = new RateLimiter({ rate: options.maxDownloadRate })
    this.upload = new RateLimiter({ rate: options.maxUploadRate })
    this.#disableUpload = options.disableUpload === true
  }

  /** How many peers of one torrent may be unchoked at a time. */
  get uploadSlots(): number {
    return this.#disableUpload ? 0 : uploadSlots(this.upload.rate)
  }

  /** What is not given stays as it is. @throws ERR_TORRENTFS_ARGUMENT */
  set(rates: Rates): void {
    checkRates(rates)
    if (rates.maxDownloadRate !== undefined) this.download.setRate(rates.maxDownloadRate)
    if (rates.maxUploadRate !== undefined) this.upload.setRate(rates.maxUploadRate)
  }

  status(): RatesStatus {
    return { download: this.download.status(), upload: this.upload.status() }
  }

  close(): void {
    this.download.close()
    this.upload.close()
  }
}
