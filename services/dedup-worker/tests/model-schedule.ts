import { Client, type Pool } from 'pg';
import { sqlStateOf } from '../src/postgres-errors.js';
import { asPool, type Call } from './model-calls.js';
import { linesOf } from './model-lines.js';
import { type ModelStore, Refusal } from './model-store.js';

/** How a call's transaction ends. */
export const endings = [
  'by itself',
  'held',
  'rolled back',
  'killed before commit',
  'killed at commit',
  'killed in call',
  'cut off in call',
] as const;

export interface Planned {
  readonly call: Call;
  readonly ending: (typeof endings)[number];
}

/** What its caller knows of it. */
export interface Result extends Planned {
  readonly fate: 'committed' | 'refused' | 'undone' | 'unknown';
  readonly answer: string;
}

interface Running extends Planned {
  readonly client: Client;
  readonly pid: number;
  readonly ended: Promise<Result>;
  readonly state: { now: 'working' | 'holding' | 'ended' };
  readonly release: () => void;
}

const deadlock = '40P01';
const breaks = ({ ending }: Planned) => ending.startsWith('killed') || ending.startsWith('cut off');

export class Schedule {
  private readonly idle: Client[] = [];
  deadlocks = 0;

  constructor(
    private readonly url: string,
    private readonly observer: Pool,
  ) {}

  private async connect(): Promise<Client> {
    const found = this.idle.pop();
    if (found) return found;
    return await connected(this.url);
  }

  async end(): Promise<void> {
    await Promise.all(this.idle.map((client) => client.end()));
  }

  /**
   * One call after the other begins, each when the one before has ended, holds its transaction open or waits for a lock;
   * or all at once. Then the open transactions end, in order or the last one first.
   */
  async run(plans: readonly Planned[], { allAtOnce = false, lastFirst = false } = {}): Promise<Result[]> {
    const running: Running[] = [];
    for (const plan of plans) {
      const client = await this.connect();
      const begun = this.begin(plan, client, allAtOnce);
      running.push(begun);
      if (!allAtOnce) await this.settled([begun]);
    }
    await this.settled(running);
    for (const { release, state, ended } of lastFirst ? [...running].reverse() : running) {
      const holding = state.now === 'holding';
      release();
      if (holding) await ended;
    }
    const results = await Promise.all(running.map(({ ended }) => ended));
    const broken = running.filter(breaks);
    for (const plan of running) {
      if (breaks(plan)) plan.client.end().catch(() => undefined);
      else this.idle.push(plan.client);
    }
    // A backend that lost its client goes on to the end of its statement.
    if (broken.length > 0) await this.gone(broken.map(({ pid }) => pid));
    return results;
  }

  private begin(plan: Planned, client: Client, allAtOnce: boolean): Running {
    const state: Running['state'] = { now: 'working' };
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pid = (client as unknown as { processID: number }).processID;
    const breaksOff = plan.ending.endsWith('in call');
    const ended = this.carryOut(plan, client, pid, () => {
      // Among calls that run at once it is broken off at once; otherwise in its wait for a lock, or after its end.
      if (allAtOnce && breaksOff) return new Promise((resolve) => setImmediate(resolve));
      state.now = 'holding';
      return released;
    }).finally(() => {
      state.now = 'ended';
    });
    return { ...plan, client, pid, ended, state, release };
  }

  private async carryOut(plan: Planned, client: Client, pid: number, hold: () => Promise<void>): Promise<Result> {
    const { call, ending } = plan;
    const kill = () => this.observer.query('select pg_terminate_backend($1)', [pid]);
    const mayBreak = breaks(plan);
    const opens = ['held', 'rolled back', 'killed before commit', 'killed at commit'].includes(ending);
    let answer = '';
    try {
      if (opens) await client.query('begin');
      const answered = call.run(asPool(client));
      if (ending === 'killed in call') await Promise.all([answered.catch(() => undefined), hold().then(kill)]);
      if (ending === 'cut off in call') {
        await Promise.race([answered.catch(() => undefined), hold()]);
        (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      }
      answer = await answered;
      if (!opens) return { ...plan, fate: 'committed', answer };
      await hold();
      if (ending === 'killed before commit') {
        await kill();
        return { ...plan, fate: 'undone', answer };
      }
      const [end] = await Promise.all([
        client.query(ending === 'rolled back' ? 'rollback' : 'commit'),
        ending === 'killed at commit' ? kill() : undefined,
      ]);
      return { ...plan, fate: end.command === 'COMMIT' ? 'committed' : 'undone', answer };
    } catch (error) {
      const code = sqlStateOf(error);
      if (opens && code.length === 5 && !mayBreak) await client.query('rollback');
      if (code === deadlock && !mayBreak) {
        this.deadlocks++;
        return await this.carryOut({ call, ending: 'by itself' }, client, pid, hold);
      }
      if (code === 'ES001' || code === 'ES002') return { ...plan, fate: 'refused', answer: code };
      if (mayBreak && (code === deadlock || code === '57P01' || code.length !== 5)) {
        return { ...plan, fate: 'unknown', answer: '' };
      }
      throw new Error(`${call.label} failed with ${code || 'no code'}: ${String(error)}`, { cause: error });
    }
  }

  /** Each has ended, holds or waits for a lock. */
  private async settled(running: readonly Running[]): Promise<void> {
    const giveUpAt = Date.now() + 60_000;
    for (;;) {
      const working = running.filter(({ state }) => state.now === 'working');
      if (working.length === 0) return;
      const { rows } = await this.observer.query<{ n: number }>({
        name: 'model_waiting',
        text: `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and pid = any ($1)`,
        values: [working.map(({ pid }) => pid)],
      });
      if (rows[0]?.n === working.length) return;
      if (Date.now() > giveUpAt) throw new Error(`nothing moves: ${working.map(({ call }) => call.label).join('; ')}`);
    }
  }

  private async gone(pids: readonly number[]): Promise<void> {
    for (;;) {
      const text = 'select count(*)::int as n from pg_stat_activity where pid = any ($1)';
      const { rows } = await this.observer.query<{ n: number }>(text, [pids]);
      if (rows[0]?.n === 0) return;
    }
  }
}

async function connected(url: string): Promise<Client> {
  const options = '-c jit=off -c synchronous_commit=off -c deadlock_timeout=50ms';
  const client = new Client({ connectionString: url, options });
  // Connections are broken on purpose.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The model after some order of the calls that gives every answer seen and the rows found; undefined when none does. */
export function explain(
  store: ModelStore,
  results: readonly Result[],
  found: readonly string[],
): ModelStore | undefined {
  const left = results.filter(({ fate }) => fate !== 'undone');
  if (left.length === 0) return linesOf(store).join('\n') === found.join('\n') ? store : undefined;
  for (const next of left) {
    const others = left.filter((result) => result !== next);
    if (next.fate === 'unknown') {
      const without = explain(store, others, found);
      if (without) return without;
    }
    const after = store.clone();
    let answer: string;
    let kept = after;
    try {
      answer = next.call.expected(after);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = error.code;
      kept = store;
    }
    if (next.fate !== 'unknown' && answer !== next.answer) continue;
    const explained = explain(kept, others, found);
    if (explained) return explained;
  }
  return undefined;
}
