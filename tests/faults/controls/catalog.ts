import type { Fault } from '../faults/fault.js';
import { killService } from '../faults/kills.js';
import { killBeforeAck, killInsideStoring } from '../faults/moments.js';
import { pauseService } from '../faults/pauses.js';
import type { Round } from '../rounds/round.js';
import type { Control } from './control.js';

const killWorker: Fault = { ...killService, target: ({ world, random }) => random.pick(world.of('dedup-worker')).name };
const pauseWorker: Fault = { ...pauseService, target: killWorker.target };

const round = (name: string, faults: readonly Fault[], load: Round['load'] = {}): Round => ({
  name,
  about: '',
  load,
  faults: { faults, lines: 1, minPauseMs: 200, maxPauseMs: 800 },
});

export const controls: readonly Control[] = [
  {
    name: 'dedup-off',
    about: 'an id may be stored again and again',
    patches: [],
    sql: ['alter table event_keys drop constraint event_keys_pkey', 'create index on event_keys (topic, event_id)'],
    round: round('dedup-off', [killWorker]),
  },
  {
    name: 'ack-before-commit',
    about: 'a message is acked when it comes, and stored afterwards',
    patches: [
      {
        file: 'services/dedup-worker/dist/consume.js',
        from: 'keep(message);',
        to: "keep(message); message.respond(Buffer.from('+ACK'));",
      },
    ],
    sql: [],
    round: round('ack-before-commit', [killWorker, killInsideStoring], { pauseMs: 0 }),
  },
  {
    name: 'tally-skipped',
    about: "what the broker's window drops is answered, and written down nowhere",
    patches: [
      {
        file: 'services/gateway/dist/publish-to-broker.js',
        from: 'await writeTally(gateway, dropped, caller);',
        to: '',
      },
    ],
    sql: [],
    round: round('tally-skipped', [killWorker], { repeats: 0.5, stored: 0 }),
  },
  {
    name: 'watermark-from-delivered',
    about: 'the watermark follows what was handed out, not what was acked',
    patches: [
      {
        file: 'services/dedup-worker/dist/track-watermark.js',
        from: 'committedUpTo({ ack_floor: floor }',
        to: 'committedUpTo({ delivered: floor }',
      },
      {
        file: 'services/dedup-worker/dist/track-watermark.js',
        from: 'if (await allAreStored(pool, sure, acked))',
        to: 'if (acked > 0n)',
      },
    ],
    sql: [],
    round: round('watermark-from-delivered', [killBeforeAck, killInsideStoring, pauseWorker], { pauseMs: 0 }),
  },
  {
    name: 'stored-at-puback',
    about: 'STORED is answered as soon as the broker has it',
    patches: [
      {
        file: 'services/gateway/dist/publish-to-store.js',
        from: '{ outcome: Outcome.OUTCOME_ACCEPTED }',
        to: '{ outcome: Outcome.OUTCOME_STORED }',
      },
      {
        file: 'services/gateway/dist/publish-to-store.js',
        from: 'waiting.wait(untilMs)',
        to: 'waiting.wait(0)',
      },
    ],
    sql: [],
    round: round('stored-at-puback', [killWorker], { stored: 1 }),
  },
  {
    name: 'tail-past-the-watermark',
    about: 'who follows is given whatever is stored, though something before it is not yet',
    patches: [
      {
        file: 'services/query/dist/follow/tail-statements.js',
        from: 'from watermark w left join',
        to: 'from (select coalesce(max(position), 0) as position from events) w left join',
      },
    ],
    sql: [],
    round: round('tail-past-the-watermark', [pauseWorker], { pauseMs: 0 }),
  },
];
