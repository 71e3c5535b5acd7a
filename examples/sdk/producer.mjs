// Reads lines from stdin, publishes each as an event and prints its verdict; sent twice, a line is kept once.
// Run: node producer.mjs [topic] < lines.txt. GATEWAY_URL is 127.0.0.1:50051 unless set. In this repository after
// npm start; elsewhere after npm i with the tarball of npm run pack:sdk.
import { createInterface } from 'node:readline';
import { createClient, idFrom } from '@eventsieve/client';

const { GATEWAY_URL = '127.0.0.1:50051' } = process.env;
const [topic = 'lines'] = process.argv.slice(2);
const client = createClient({ gateway: GATEWAY_URL });
const producer = client.producer();
const counts = {};

function count(outcome, line) {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
  console.log(outcome, line);
}

for await (const text of createInterface({ input: process.stdin })) {
  // Waits while more is under way than the producer may hold.
  await producer.ready();
  // The id is made of the line: whoever sends the line again, in whatever process, sends the same event again. A line that
  // may come twice and mean two things needs something more in its id, such as the file and the number of the line.
  const event = { topic, eventId: idFrom(topic, text), source: 'sdk-example', payload: { text } };
  // stored: new, and in Postgres. duplicate: was there before. accepted: cannot be lost, verdict not known in time.
  // A rejection: it was not taken, or nobody knows within a minute of tries; error.retryable says whether to come back.
  producer.send(event).then(
    ({ outcome }) => count(outcome, text),
    (error) => {
      process.exitCode = 1;
      count('failed', `${text} (${error.code}: ${error.message})`);
    },
  );
}
// Resolves when all have their verdict.
await producer.close();
await client.close();
console.log('done', counts);
