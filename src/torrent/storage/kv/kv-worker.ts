/**
 * The entry of a thread that has an LMDB file.
 */
import { serveDatabase } from '../database/database-server.js'
import { kv } from './kv-database.js'

serveDatabase(kv)
