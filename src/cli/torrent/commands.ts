/**
 * All subcommands of `torrent`, in the order of the help.
 */

import type { Command } from './command.js'
import { announce } from './commands/announce.js'
import { bencode } from './commands/bencode.js'
import { completions } from './commands/completions.js'
import { create } from './commands/create.js'
import { dht } from './commands/dht.js'
import { download } from './commands/download.js'
import { lsd } from './commands/lsd.js'
import { magnet } from './commands/magnet.js'
import { metainfo } from './commands/metainfo.js'
import { scrape } from './commands/scrape.js'
import { serve } from './commands/serve.js'
import { stream } from './commands/stream.js'
import { tracker } from './commands/tracker.js'
import { verify } from './commands/verify.js'
import { version } from './commands/version.js'

/** The table that the parser, the help and the completions read. */
export const commands: readonly Command[] = [
  download,
  stream,
  serve,
  create,
  metainfo,
  magnet,
  verify,
  bencode,
  announce,
  scrape,
  dht,
  lsd,
  tracker,
  completions,
  version,
]
