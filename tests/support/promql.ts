import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

export interface ParsedExpression {
  readonly selectors: readonly Selector[];
  /** Labels named by `by`, `without`, `on` and `ignoring`. */
  readonly grouping: readonly string[];
}

// What Grafana puts in before Prometheus sees the expression.
const variables: Readonly<Record<string, string>> = { $__rate_interval: '5m', $__range: '1h' };

/** Reads an expression with Prometheus' own grammar; throws where that finds a mistake. */
export function parsePromql(expression: string): ParsedExpression {
  const text = expression.replace(/\$\w+/g, (name) => variables[name] ?? name);
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  parser.parse(text).iterate({
    enter({ name, type, from, to, node }) {
      if (type.isError) throw new Error(`not PromQL at ${from} (${text.slice(from, to + 10)}): ${text}`);
      if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') grouping.push(text.slice(from, to));
      if (name !== 'VectorSelector') return;
      const metric = node.getChild('Identifier');
      const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map((matcher) => {
        const textOf = (child: string) => {
          const found = matcher.getChild(child);
          return found === null ? '' : text.slice(found.from, found.to);
        };
        return { label: textOf('LabelName'), operator: textOf('MatchOp'), value: textOf('StringLiteral').slice(1, -1) };
      });
      selectors.push({ metric: metric === null ? '' : text.slice(metric.from, metric.to), matchers });
    },
  });
  return { selectors, grouping };
}
