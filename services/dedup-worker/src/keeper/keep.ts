import { dropDay } from './drop-day.js';
import { foldMinutes } from './fold-minutes.js';
import type { KeepDeps } from './keep-deps.js';
import type { Chore } from './keeper.js';
import { removeDeadLetters } from './remove-dead-letters.js';
import { removeKeys } from './remove-keys.js';
import { removesRefused } from './remove-refused.js';

/** Removes what is too old, a little of each kind in a step. One kind that cannot be removed holds up no other. */
export function keepsWithin(deps: KeepDeps): Chore {
  const steps = [dropDay, removeKeys, removesRefused(), removeDeadLetters, foldMinutes];
  return {
    name: 'removing what is too old',
    everyMs: deps.retention.lookEveryMs,
    async step() {
      const failures: unknown[] = [];
      let more = false;
      for (const step of steps) {
        try {
          if (await step(deps)) more = true;
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return more;
    },
  };
}
