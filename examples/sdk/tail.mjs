// Follows a topic until Ctrl-C and prints each event; after broken connections, and when run again, it goes on where it was.
// Run: node tail.mjs [topic] [cursor file]. QUERY_URL is 127.0.0.1:50052 unless set. Where it runs: as producer.mjs.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createClient } from '@eventsieve/client';

const { QUERY_URL = '127.0.0.1:50052' } = process.env;
const [topic = 'lines', file = 'tail.cursor'] = process.argv.slice(2);
const client = createClient({ query: QUERY_URL });

const tail = client.tail({
  topic,
  from: existsSync(file) ? { cursor: readFileSync(file, 'utf8') } : 'start',
  onFailure: (error, failures) => console.error(`${error.message}; connecting again (${failures})`),
});
for await (const { eventId, payload, receivedAt, cursor } of tail) {
  console.log(receivedAt, eventId, JSON.stringify(payload));
  // The event first and then its cursor: after a crash the last one may come a second time, but none is left out. Who
  // stores what it makes of the event in a database stores the cursor in the same transaction, and has each once.
  writeFileSync(`${file}.new`, cursor);
  renameSync(`${file}.new`, file);
}
