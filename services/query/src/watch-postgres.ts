import type { Database } from './sql/database.js';

export interface PostgresWatch {
  stop(): void;
}

const intervalMs = 1_000;

/** Asks again and again whether Postgres answers, and says each answer. */
export function watchPostgres(database: Database, say: (answers: boolean) => void): PostgresWatch {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    const answers = await database.query('select 1').then(
      () => true,
      () => false,
    );
    if (stopped) return;
    say(answers);
    timer = setTimeout(() => void look(), intervalMs);
  }

  void look();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
