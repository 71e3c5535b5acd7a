import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type MetricSpec, metricsOfService, workerMetrics } from '@eventsieve/contract/metric-names';
import { credentials } from '@grpc/grpc-js';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Sample, scrape } from './support/exposition.js';
import { parsePromql, type Selector } from './support/promql.js';
import { eventOf, publish } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(root + path, 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { uid: string };
  }[];
}
interface Dashboard {
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
}

const { groups } = parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const dashboard = JSON.parse(read('deploy/grafana/dashboards/eventsieve.json')) as Dashboard;
const targets = dashboard.panels.flatMap(({ title, targets: of = [] }) => of.map((target) => ({ title, ...target })));
const { scrape_configs: scrapes } = parse(read('deploy/prometheus/prometheus.yml')) as {
  scrape_configs: { job_name: string }[];
};
const expressions = [
  ...alerts.map(({ alert, expr }) => ({ where: `alert ${alert}`, expr })),
  ...targets.map(({ title, expr }) => ({ where: `panel ${title}`, expr })),
  ...[...read('docs/metrics.md').matchAll(/```promql\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block.split('\n\n').map((expr) => ({ where: 'docs/metrics.md', expr })),
  ),
];

describe('expressions', () => {
  const jobs = scrapes.map(({ job_name }) => job_name);
  let samples: readonly Sample[];

  beforeAll(async () => {
    const system = await startSystem();
    try {
      const client = system.ingest();
      await publish(client, [eventOf({ topic: 't', eventId: 'e', payload: '{}' })]);
      client.close();
      await fetch(`${system.http}/stats`);
      const reader = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
      await new Promise((resolve) => reader.getStats({}, resolve));
      reader.close();
      const pages = await waitUntil('the worker has looked at the watermark', async () => {
        const scraped = await Promise.all(system.processes().map(scrape));
        return scraped.some((page) => page.value(workerMetrics.watermark.name)) ? scraped : undefined;
      });
      samples = [
        ...pages.flatMap((page) => page.samples),
        // What Prometheus makes of a scrape.
        ...jobs.map((job) => ({ name: 'up', labels: { job }, value: 1 })),
      ];
    } finally {
      await system.stop();
    }
  });

  test.each(expressions)('$where asks for what a running service exposes', ({ expr }) => {
    const { selectors, grouping } = parsePromql(expr);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { metric, matchers } of selectors) {
      const found = samples.filter(({ name }) => name === metric);
      expect(found.length, `samples of ${metric}`).toBeGreaterThan(0);
      for (const { label, operator, value } of matchers) {
        const values = label === 'job' ? jobs : found.map(({ labels }) => labels[label]);
        expect(
          values.some((each) => each !== undefined),
          `${metric} has the label ${label}`,
        ).toBe(true);
        if (operator === '=') expect(values, `${metric}{${label}}`).toContain(value);
        if (operator !== '=' && !value.startsWith('$')) {
          for (const each of value.split('|')) expect(values, `${metric}{${label}}`).toContain(each);
        }
      }
    }
    for (const label of grouping) {
      expect(
        selectors.every((selector) => labelsOf(selector).includes(label)),
        `every metric has ${label}`,
      ).toBe(true);
    }
  });

  function labelsOf({ metric }: Selector): string[] {
    const spec = allSpecs.find(({ name }) => metric === name || metric.startsWith(`${name}_`));
    return ['job', 'instance', ...(metric.endsWith('_bucket') ? ['le'] : []), ...Object.keys(spec?.labels ?? {})];
  }
});

const allSpecs: readonly MetricSpec[] = Object.values(metricsOfService).flatMap((specs) => Object.values(specs));

test('every metric is shown on the dashboard or watched by an alert', () => {
  const asked = new Set(expressions.flatMap(({ expr }) => parsePromql(expr).selectors.map(({ metric }) => metric)));
  const unseen = allSpecs.filter(
    ({ name }) => ![name, `${name}_bucket`, `${name}_count`].some((each) => asked.has(each)),
  );
  // Conflicts are among the duplicates, and nothing is redriven before somebody does it.
  expect(unseen.map(({ name }) => name)).toEqual([
    'eventsieve_lifetime_conflicting_copies',
    'eventsieve_lifetime_redriven_copies',
  ]);
});

describe('alert rules', () => {
  const headings = [...read('docs/troubleshooting.md').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replaceAll(' ', '-'),
  );

  test.each(alerts)(
    '$alert has a severity, a summary, and a heading that says what to do',
    ({ labels, annotations, alert }) => {
      expect(['critical', 'warning']).toContain(labels.severity);
      expect(annotations.summary?.length).toBeGreaterThan(10);
      expect(annotations.runbook).toBe(`docs/troubleshooting.md#${alert.toLowerCase()}`);
      expect(headings).toContain(alert.toLowerCase());
    },
  );

  test('every heading of an alert has its rule', () => {
    const named = alerts.map(({ alert }) => alert.toLowerCase());
    expect(headings.filter((heading) => heading.startsWith('eventsieve')).sort()).toEqual(named.sort());
  });

  test('names are given once', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });
});

describe('the dashboard', () => {
  test('has the rows and a data source that can be chosen', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(42);
    expect(dashboard.templating.list.map(({ name, type }) => `${name}: ${type}`)).toContain('datasource: datasource');
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual(['Traffic', 'Verdicts', 'Latency', 'Backlog', 'Resources']);
    const sources = dashboard.panels.flatMap(({ datasource, targets: of = [] }) => [
      datasource,
      ...of.map((each) => each.datasource),
    ]);
    for (const source of sources) if (source !== undefined) expect(source.uid).toMatch(/^\$\{datasource\}$/);
  });

  test('every panel but the rows asks for something, has an id of its own and covers no other', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(dashboard.panels.filter(({ type, targets: of = [] }) => type !== 'row' && of.length === 0)).toEqual([]);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });
});

test('the tables in docs/metrics.md say of each metric what the code says', () => {
  const document = read('docs/metrics.md');
  for (const [service, specs] of Object.entries(metricsOfService)) {
    const section = document.split(`### ${service}\n`)[1]?.split('\n### ')[0] ?? '';
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    const expected = Object.values(specs).map(({ name, kind, labels, help }: MetricSpec) => {
      const names = Object.keys(labels).map((label) => `\`${label}\``);
      return `| \`${name}\` | ${kind} | ${names.join(', ')} | ${help} |`;
    });
    expect(rows, service).toEqual(expected);
  }
});
