/** For a database that is written to all day. The compose file gives its own the same. */
export const postgresTuning = {
  max_wal_size: '2GB',
  // A new file of the log is filled with zeros first, while every commit waits for it. Files that were written are kept,
  // however quiet it has been since, and written over.
  min_wal_size: '1GB',
  // What came is vacuumed while it is still held in memory, and before a checkpoint has passed.
  autovacuum_naptime: '15s',
} as const;
