import type { ServiceProcess } from './processes.js';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a service says of itself at GET /metrics. */
export interface ExpositionPage {
  readonly contentType: string;
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The one sample with these labels, and no others; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

export function metricsUrlOf({ addresses }: ServiceProcess): string {
  return addresses.http === undefined ? `http://${addresses.metrics}/metrics` : `${addresses.http}/metrics`;
}

export async function scrape(service: ServiceProcess): Promise<ExpositionPage> {
  const response = await fetch(metricsUrlOf(service));
  const text = await response.text();
  if (!response.ok) throw new Error(`/metrics answered ${response.status}: ${text}`);
  return parseExposition(text, response.headers.get('content-type') ?? '');
}

const samplePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

export function parseExposition(text: string, contentType = ''): ExpositionPage {
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, about, name = '', rest = ''] = /^# (TYPE|HELP) (\S+) (.*)$/.exec(line) ?? [];
    if (about !== undefined) (about === 'TYPE' ? types : helps).set(name, rest);
    else if (line !== '') samples.push(parseSample(line));
  }
  return {
    contentType,
    types,
    helps,
    samples,
    value: (name, labels = {}) =>
      samples.find((sample) => sample.name === name && sameLabels(sample.labels, labels))?.value,
  };
}

function parseSample(line: string): Sample {
  const match = samplePattern.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, name = '', inside = '', number = ''] = match;
  const labels = Object.fromEntries(
    [...inside.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => [label, value]),
  );
  return { name, labels, value: number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number) };
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return (
    Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([label, value]) => b[label] === value)
  );
}
