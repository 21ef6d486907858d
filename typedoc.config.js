/**
 * How the reference of the library is made of the comments: a chapter for each entry of the package, `docs/api/index.html`.
 *
 * A public signature that names a type nobody can import, or a link that leads nowhere, fails it. What only the engine itself
 * calls is marked `@internal` and left out.
 */
export default {
  name: 'torrentfs',
  entryPoints: [
    'src/torrent/index.ts',
    'src/fs/index.ts',
    'src/watch/index.ts',
    'src/torrent/entries/bencode.ts',
    'src/torrent/entries/tracker.ts',
    'src/torrent/entries/metainfo.ts',
    'src/torrent/entries/wire.ts',
  ],
  out: 'docs/api',
  includeVersion: true,
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  // What EventEmitter and streams have is in the manual of Node.js.
  excludeExternals: true,
  // The build has checked the types.
  skipErrorChecking: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  // Fields speak for themselves, or are described where that helps.
  requiredToBeDocumented: ['Class', 'Interface', 'Function', 'TypeAlias', 'Variable'],
  treatWarningsAsErrors: true,
  // Their users have them by the interface that they implement.
  intentionallyNotExported: ['FileAccess', 'FileTorrentStorage'],
}
