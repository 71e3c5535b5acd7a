import { describeExit, type Exit } from './child.js';
import type { Part } from './keep-up.js';

export interface Restartable {
  readonly pid: number | undefined;
  readonly exited: Promise<Exit>;
  restart(): Promise<void>;
}

/** A server that already runs, as a part that is started again whenever it ends. */
export function serverPart(name: string, server: Restartable): Part {
  let first = true;
  return {
    name,
    async live(ready) {
      if (!first) {
        try {
          await server.restart();
        } catch (error) {
          return { how: error instanceof Error ? error.message : String(error) };
        }
      }
      first = false;
      const { exited, pid } = server;
      ready(`pid ${pid}`);
      return { how: describeExit(await exited) };
    },
  };
}
