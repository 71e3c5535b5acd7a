/** One line of the table. What does not apply to a case is undefined. */
export interface CaseResult {
  readonly name: string;
  readonly eventsPerSecond?: number | undefined;
  readonly ratio?: number | undefined;
  /** What the ratio divides by. */
  readonly of?: string | undefined;
  readonly p50Ms?: number | undefined;
  readonly p95Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Of all parts together, the load included. */
  readonly cpuSeconds?: number | undefined;
  readonly cpuOf?: Readonly<Record<string, number>> | undefined;
  /** The most that one of the services held. */
  readonly rssMb?: number | undefined;
  readonly rssOf?: Readonly<Record<string, number>> | undefined;
  /** False when the server's counts, rows and audit are not what was sent; the run fails then. */
  readonly exact: boolean;
  readonly problems?: readonly string[] | undefined;
  /** Figures that have no column. */
  readonly more?: Readonly<Record<string, number | string>> | undefined;
}
