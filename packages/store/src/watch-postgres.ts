import { type Ask, findSchemaGap } from './schema-version.js';

export interface PostgresState {
  readonly answers: boolean;
  /** It has all that this version needs; while it does not answer, what was known last. */
  readonly hasSchema: boolean;
}

export interface PostgresWatch {
  stop(): void;
}

const intervalMs = 1_000;
// One that hangs says nothing for as long as the question may last.
const patienceMs = 2_000;

/** Asks again and again whether Postgres answers and has the schema that is needed, and says each answer. */
export function watchPostgres(ask: Ask, say: (state: PostgresState) => void): PostgresWatch {
  let timer: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  let hasSchema = false;
  let stopped = false;

  async function look(): Promise<void> {
    late = setTimeout(() => say({ answers: false, hasSchema }), patienceMs);
    const answers = await findSchemaGap(ask).then(
      (gap) => {
        hasSchema = gap === undefined;
        return true;
      },
      () => false,
    );
    clearTimeout(late);
    if (stopped) return;
    say({ answers, hasSchema });
    timer = setTimeout(() => void look(), intervalMs);
  }

  void look();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(late);
    },
  };
}
