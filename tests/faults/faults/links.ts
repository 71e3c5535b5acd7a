import type { LinkMode } from '../world/link.js';
import type { LinkName } from '../world/world.js';
import type { Fault, FaultContext } from './fault.js';

const modes: readonly LinkMode[] = ['hold-requests', 'hold-answers', 'half-open', 'black-hole', 'slow', 'refuse'];

const anyLink = ({ world, random }: FaultContext) => random.pick(Object.keys(world.links) as LinkName[]);

/** Each mode is a kind of its own, so that a report says which were tried. */
const modeFaults = modes.map(
  (mode): Fault => ({
    kind: `link: ${mode}`,
    target: anyLink,
    async run({ world, random, sleep }, name) {
      const link = world.links[name as LinkName];
      link.set(mode);
      await sleep(random.whole(200, 5_000));
      link.set('pass');
    },
  }),
);

export const resetLink: Fault = {
  kind: 'link: reset',
  target: anyLink,
  async run({ world, random, sleep }, name) {
    for (let times = random.whole(1, 5); times > 0; times--) {
      world.links[name as LinkName].reset();
      await sleep(random.whole(20, 600));
    }
  },
};

export const links: readonly Fault[] = [...modeFaults, resetLink];
