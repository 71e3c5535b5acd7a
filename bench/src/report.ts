import { cpus, platform, release, totalmem } from 'node:os';
import type { CaseResult } from './result.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  readonly nats: string;
}

export function describeMachine({ postgres, nats }: Pick<Machine, 'postgres' | 'nats'>): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    postgres,
    nats,
  };
}

const columns = ['case', 'events/s', 'ratio', 'of', 'p50 ms', 'p95 ms', 'p99 ms', 'cpu s', 'rss MB', 'exact', 'more'];

export function printTable(machine: Machine, results: readonly CaseResult[]): string {
  const rows = [columns, ...results.map(cellsOf)];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const { cpu, cores, memoryGb, system, node, postgres, nats } = machine;
  const where = `${cores} × ${cpu}, ${memoryGb} GB, ${system}, Node ${node}, Postgres ${postgres}, nats-server ${nats}`;
  return `${where}\n\n${lines.join('\n')}\n`;
}

const isText = (column: number) => ['case', 'of', 'exact', 'more'].includes(columns[column] ?? '');

function cellsOf(result: CaseResult): string[] {
  const fixed = (value: number | undefined, digits: number) => (value === undefined ? '' : value.toFixed(digits));
  return [
    result.name,
    fixed(result.eventsPerSecond, 0),
    fixed(result.ratio, 2),
    result.of ?? '',
    fixed(result.p50Ms, 1),
    fixed(result.p95Ms, 1),
    fixed(result.p99Ms, 1),
    fixed(result.cpuSeconds, 1),
    fixed(result.rssMb, 0),
    result.exact ? 'yes' : 'NO',
    Object.entries(result.more ?? {})
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  ];
}

/** The same for programs. What does not apply is null. */
export function toJson(machine: Machine, results: readonly CaseResult[]): string {
  const cases = results.map((result) => ({
    name: result.name,
    events_per_s: rounded(result.eventsPerSecond),
    ratio: rounded(result.ratio),
    ratio_of: result.of ?? null,
    p50_ms: rounded(result.p50Ms),
    p95_ms: rounded(result.p95Ms),
    p99_ms: rounded(result.p99Ms),
    cpu_s: rounded(result.cpuSeconds),
    cpu_s_of: result.cpuOf ?? null,
    rss_mb: rounded(result.rssMb),
    rss_mb_of: result.rssOf ?? null,
    exact: result.exact,
    problems: result.problems ?? [],
    more: result.more ?? {},
  }));
  return `${JSON.stringify({ machine, cases }, null, 2)}\n`;
}

const rounded = (value: number | undefined) => (value === undefined ? null : Math.round(value * 1000) / 1000);
