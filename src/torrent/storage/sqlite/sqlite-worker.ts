/**
 * The entry of a thread that has a SQLite database.
 */
import { serveDatabase } from '../database/database-server.js'
import { sqlite } from './sqlite-database.js'

serveDatabase(sqlite)
