import { Agent } from 'node:http';
import { type Finding, findingOf } from '../checks/finding.js';
import type { Random } from '../random.js';
import type { DoorProcess, Doors } from './doors.js';
import { sameJson } from './exact-json.js';
import { openGrpcLine } from './grpc-line.js';
import { sendGrpcNonsense, sendGrpcShapes } from './grpc-shapes.js';
import { sendHttpShapes, sendSlowBodies } from './http-shapes.js';
import { holdIdleConnections } from './idle-connections.js';
import { askQuestions, askUrls } from './questions.js';
import { type Resources, readResources } from './resources.js';
import { keyOf, type Ledger, type Sending, sendBodies, sendRequests } from './send-publishes.js';

export interface DoorFuzz {
  readonly doors: Doors;
  readonly seconds: number;
  readonly idlePerPort: number;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export interface DoorReport {
  readonly sent: Readonly<Record<string, number>>;
  readonly resources: Readonly<Record<string, { readonly before: Resources; readonly after: Resources }>>;
  readonly findings: readonly Finding[];
}

/** What a process may take more at the end than after warm-up: its memory comes and goes by this much under any load. */
const growthMib = 200;
const growthSockets = 20;
const lanes = 6;
const drainMs = 30_000;
const settleMs = 60_000;

/** Everything that can come over the wire, at a system that runs. */
export async function fuzzDoors(
  random: Random,
  { doors, seconds, idlePerPort, stop, say }: DoorFuzz,
): Promise<DoorReport> {
  const offenders: Record<string, string[]> = {};
  const find = (check: string) => (what: string) => {
    offenders[check] ??= [];
    (offenders[check] as string[]).push(what.slice(0, 1_500));
  };
  const count: Record<string, number> = {};
  const add = (name: string, more: number) => {
    count[name] = (count[name] ?? 0) + more;
  };
  const sent = { taken: 0, refused: 0, pressed: 0 };
  const ledger: Ledger = new Map();
  const answered = new Set<string>();
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  const lines = { gateway: openGrpcLine(doors.gateway), query: openGrpcLine(doors.query) };
  const strange = { gateway: openGrpcLine(doors.gateway), query: openGrpcLine(doors.query) };
  const sending = (check: string): Sending => ({ doors, ledger, answered, sent, find: find(check) });
  const unforeseen = watchOutput(doors.processes);

  const beganAtMs = Date.now();
  const untilMs = (share: number) => beganAtMs + seconds * 1000 * share;
  async function repeat(name: string, share: number, work: (own: Random) => Promise<unknown>): Promise<void> {
    const own = random.fork(name);
    for (let i = 0; Date.now() < untilMs(share) && !stop.aborted; i++) await work(own.fork(String(i)));
  }
  const each = Array.from({ length: lanes }, (_, lane) => lane);
  const load = (share: number) => [
    ...each.map((lane) =>
      repeat(`gRPC ${lane} ${share}`, share, async (own) =>
        add('Publish', await sendRequests(sending('gRPC'), lines.gateway, own)),
      ),
    ),
    ...each.map((lane) =>
      repeat(`HTTP ${lane} ${share}`, share, async (own) =>
        add('POST /publish', await sendBodies(sending('HTTP'), agent, own)),
      ),
    ),
    repeat(`questions ${share}`, share, async (own) =>
      add('questions', await askQuestions(lines.query, own, find('questions'))),
    ),
    repeat(`URLs ${share}`, share, async (own) => add('URLs', await askUrls(doors.http, own, find('URLs')))),
    repeat(`shapes ${share}`, share, async (own) =>
      add('gRPC shapes', await sendGrpcShapes(own, strange, find('gRPC shapes'))),
    ),
    repeat(`nonsense ${share}`, share, async (own) => add('nonsense', await sendGrpcNonsense(own, doors))),
    repeat(`HTTP shapes ${share}`, share, async (own) =>
      add('HTTP shapes', await sendHttpShapes(own, doors.http, find('HTTP shapes'))),
    ),
  ];
  // Warm-up is a fifth of the time: every kind has been sent then.
  await Promise.all(load(0.2));
  const before = await readResources(doors.processes);
  const idle = holdIdleConnections(doors, idlePerPort, find('idle connections'));
  const slow = sendSlowBodies(doors.http, 30, find('slow bodies'));
  await Promise.all(load(1));
  add('idle connections', await idle);
  add('slow bodies', await slow);
  agent.destroy();
  for (const line of [...Object.values(lines), ...Object.values(strange)]) line.close();

  const audit = await auditOnceDrained(doors);
  for (const what of audit) find('audit')(what);
  for (const what of await checkLedger(doors, ledger, answered)) find('stored')(what);
  for (const what of unforeseen.stop()) find('output')(what);
  const after = await settledResources(doors.processes, before);
  const resources: Record<string, { before: Resources; after: Resources }> = {};
  for (const [name, first] of before) {
    const last = after.get(name);
    if (last === undefined || last.pid !== first.pid) find('processes')(`${name} is another process, or none`);
    if (last === undefined) continue;
    resources[name] = { before: first, after: last };
    if (last.mib > first.mib + growthMib) find('memory')(`${name} grew from ${first.mib} to ${last.mib} MiB`);
    if ((last.sockets ?? 0) > (first.sockets ?? 0) + growthSockets)
      find('sockets')(`${name} had ${first.sockets} sockets, and has ${last.sockets}`);
  }
  say(`     sent: ${JSON.stringify({ ...count, ...sent })}; ids taken ${answered.size}`);
  const findings = Object.entries(offenders).flatMap(([check, list]) => findingOf(check, 'not as it must be', list));
  return { sent: { ...count, ...sent }, resources, findings };
}

/** A server notices some connections that are gone only when it asks whether they are still there, every half a minute. */
async function settledResources(processes: readonly DoorProcess[], before: ReadonlyMap<string, Resources>) {
  const giveUpAtMs = Date.now() + settleMs;
  for (;;) {
    const after = await readResources(processes);
    const tooMany = [...after].some(
      ([name, { sockets = 0 }]) => sockets > (before.get(name)?.sockets ?? 0) + growthSockets,
    );
    if (!tooMany || Date.now() > giveUpAtMs) return after;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** What is printed is kept only for a while, so it is looked at all the time. */
function watchOutput(processes: readonly DoorProcess[]) {
  const found = new Set<string>();
  const look = () => {
    for (const { name, output } of processes) {
      for (const line of output().split('\n')) {
        if (/unforeseen error|internal error|Unhandled|Uncaught/.test(line))
          found.add(`${name}: ${line.slice(0, 800)}`);
      }
    }
  };
  const timer = setInterval(look, 500);
  return {
    stop() {
      clearInterval(timer);
      look();
      return [...found];
    },
  };
}

async function auditOnceDrained({ http }: Doors): Promise<string[]> {
  const giveUpAtMs = Date.now() + drainMs;
  for (;;) {
    const stats = (await (await fetch(`${http}/stats`)).json()) as {
      queue_size: number;
      lifetime: { dead_lettered: number; in_flight: number };
    };
    if (stats.queue_size === 0 && stats.lifetime.in_flight === 0) {
      const audit = (await (await fetch(`${http}/stats/reconcile`)).json()) as { ok: boolean };
      const dead = stats.lifetime.dead_lettered;
      return [
        ...(audit.ok ? [] : [`the audit says ${JSON.stringify(audit).slice(0, 800)}`]),
        ...(dead === 0 ? [] : [`${dead} dead letters`]),
      ];
    }
    if (Date.now() > giveUpAtMs) return [`not drained within ${drainMs} ms: ${JSON.stringify(stats).slice(0, 500)}`];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

type Row = Readonly<Record<'topic' | 'event_id' | 'source' | 'payload', string>>;
const page = 2_000;

/** Every stored event is one that was taken, digit for digit; and every id that was answered is there. */
async function checkLedger({ pool }: Doors, ledger: Ledger, answered: ReadonlySet<string>): Promise<string[]> {
  const wrong: string[] = [];
  const missing = new Set(answered);
  let last = '0';
  for (;;) {
    const { rows } = await pool.query<Row & { position: string }>(
      'select position, topic, event_id, source, payload::text as payload from events where position > $1 order by position limit $2',
      [last, page],
    );
    for (const { topic, event_id, source, payload } of rows) {
      const key = keyOf(topic, event_id);
      missing.delete(key);
      const given = ledger.get(key);
      if (topic === 'shapes') continue;
      if (given === undefined) wrong.push(`${JSON.stringify(key)} is stored, and was never sent`);
      else if (
        !given.some(({ event, sent }) => Buffer.from(event.source).toString() === source && sameJson(sent, payload))
      ) {
        wrong.push(`${JSON.stringify(key)} came back as ${payload.slice(0, 300)}, of ${given[0]?.from}`);
      }
    }
    last = rows.at(-1)?.position ?? last;
    if (rows.length < page) break;
  }
  for (const key of missing)
    wrong.push(`${JSON.stringify(key)} was answered, and is not there: ${ledger.get(key)?.[0]?.from}`);
  return wrong;
}
