import { type Database, schemaTooOld } from './sql/database.js';

export interface PostgresWatch {
  stop(): void;
}

const intervalMs = 1_000;
// One that hangs says nothing for as long as the question may last.
const patienceMs = 2_000;

/** Asks again and again whether Postgres answers and has the schema that is needed, and says each answer. */
export function watchPostgres(database: Database, say: (answers: boolean) => void): PostgresWatch {
  let timer: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    late = setTimeout(() => say(false), patienceMs);
    const answers = await schemaTooOld(database).then(
      (error) => error === undefined,
      () => false,
    );
    clearTimeout(late);
    if (stopped) return;
    say(answers);
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
