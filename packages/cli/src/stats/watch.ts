import { setTimeout as delay } from 'node:timers/promises';
import { EventsieveError } from '@eventsieve/client';
import type { CommandContext } from '../command.js';
import type { Look } from './look.js';
import { lookJson, lookLines, lookTable } from './show-look.js';

export interface WatchOptions {
  readonly intervalMs: number;
  readonly json: boolean;
}

/** Looks again and again until it is interrupted. Fails only when the first look does. */
export async function watch(look: () => Promise<Look>, options: WatchOptions, context: CommandContext): Promise<never> {
  const shown = context.isTerminal && !options.json ? liveTable(context, options) : plainLines(context, options);
  try {
    for (let before: Look | undefined, isBroken = false; ; ) {
      try {
        const now = await look();
        shown.show(now, before);
        before = now;
        isBroken = false;
      } catch (error) {
        if (before === undefined || !(error instanceof EventsieveError) || !error.retryable) throw error;
        if (!isBroken) shown.trouble(error);
        isBroken = true;
      }
      await context.ready();
      await delay(options.intervalMs, undefined, { signal: context.interrupted });
    }
  } finally {
    shown.end();
  }
}

interface Shown {
  show(now: Look, before: Look | undefined): void;
  trouble(error: EventsieveError): void;
  end(): void;
}

function plainLines({ say, complain }: CommandContext, { json }: WatchOptions): Shown {
  return {
    show(now, before) {
      for (const line of json ? [lookJson(now)] : lookLines(now, before)) say(line);
    },
    trouble: ({ code, message }) => complain(`${code}: ${message}; trying again`),
    end: () => undefined,
  };
}

function liveTable({ live }: CommandContext, { intervalMs }: WatchOptions): Shown {
  const lines = live('results');
  let last: string[] = [];
  return {
    show(now, before) {
      const head = `${now.time.toISOString().slice(0, 19)}Z, again every ${intervalMs / 1000} s; Ctrl-C ends it`;
      // From the first on with rates, so that nothing moves.
      last = [head, '', ...lookTable(now, before ?? now)];
      lines.show(last);
    },
    trouble: ({ code, message }) => lines.show([`${code}: ${message}; trying again`, ...last.slice(1)]),
    end: () => lines.end('stays'),
  };
}
