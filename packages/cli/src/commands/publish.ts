import { defineCommand } from '../define-command.js';
import { publishFlags, readPublishOptions } from '../publish/options.js';
import { publishFile } from '../publish/run.js';

const about = `Reads NDJSON, a JSON array or CSV, from a file or the standard input, also packed with gzip, and never all of it at once.
Records are events as GET /events and /events/export give them: topic, event_id, timestamp, source, payload. id and
received_at may stand there, and say nothing. The payload is passed on as it stands, digit by digit. Without a timestamp
it is now. Columns of a CSV file that have the name of a field are that field (payload is JSON, payload.x a text in it);
--map says it of others, and the rest is left out. Empty cells count as missing.

A record without event_id is given one that repeats when the file is published again: made of the fields that --id-from
names, as the client's idFrom does, or else of the record's own text and its place among the records. A record that is
inserted or removed then gives those after it other ids: name fields where you can.

Records at fault are named with their line, and the others are published; the exit code is 1 then. An id that is stored
with another payload or source is a fault, too. The last line has the sums; conflicts are counted among the duplicates:
  done published=1000 stored=990 duplicates=10 conflicts=0 rejected=0 errors=0

Ctrl-C finishes what is under way. How far it came is written to a checkpoint beside the file
(<file>.eventsieve-checkpoint), and the same command goes on from there, unless the file has changed. What is published
twice on the way is a duplicate and changes nothing.`;

export const publish = defineCommand({
  name: 'publish',
  summary: 'publish the events of a file or of the standard input',
  about,
  positionals: [{ name: 'file', optional: true, meaning: 'what is published; - or nothing: the standard input' }],
  flags: publishFlags,
  examples: [
    'eventsieve publish events.ndjson',
    'eventsieve publish events.ndjson.gz --wait broker --in-flight 16',
    'eventsieve publish orders.csv --topic orders --source shop --id-from no --map no=payload.no:number',
    'tail -f app.log.ndjson | eventsieve publish --topic app.logs --source web-1',
    'curl -s http://127.0.0.1:8080/events/export | eventsieve publish - --gateway other:50051',
  ],
  run: (given, context) => publishFile(readPublishOptions(given, context.environment), context),
});
