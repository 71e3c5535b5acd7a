/** For a database that is written to all day. The compose file gives its own the same. */
export const postgresTuning = {
  // A checkpoint writes out nearly every page of the keys, and after it each of them goes into the log as a whole once more. A
  // log twice as long is twice as much to go through after a crash: some 14 s for the 2 GB between two checkpoints.
  max_wal_size: '4GB',
  // A new file of the log is filled with zeros first, while every commit waits for it. Files that were written are kept,
  // however quiet it has been since, and written over.
  min_wal_size: '1GB',
  // What came is vacuumed while it is still held in memory, and before a checkpoint has passed.
  autovacuum_naptime: '15s',
} as const;
