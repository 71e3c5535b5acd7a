import { type Content, type Given, type Kept, type Message, type ModelBroker, payloads } from './model-broker.js';
import { advancing, burying, type Call, discarding, opening, redriving, storing } from './model-calls.js';
import type { CallPlan } from './model-steps.js';
import type { ModelStore } from './model-store.js';

/** A batch that a worker has had in some epoch. */
export interface Handed {
  readonly epoch: number;
  readonly given: readonly Given[];
}

export interface Scene {
  readonly broker: ModelBroker;
  readonly store: ModelStore;
  readonly handedOut: Handed[];
  /** The stream as the epoch to open finds it. */
  readonly stream: Kept | undefined;
}

const refusal = '22023';

const one = <T>(all: readonly T[], at: number): T | undefined => all[at % all.length];

function viewOf({ broker, store }: Scene) {
  const { base } = store.epoch;
  const isSettled = (message: Message) => store.rows.has(base + message.sequence) || store.settledBefore(message);
  return {
    messages: [...broker.kept.messages.values()],
    given: (message: Message): Given => ({
      message,
      position: base + message.sequence,
      atUs: message.receivedAtUs,
    }),
    isSettled,
    // What one worker cannot store, another one cannot either, as long as it has no row.
    isStorable: (message: Message) => message.content.kind !== 'undecodable' && (!message.poison || isSettled(message)),
  };
}

/** The calls that a plan means in this scene; none when it means nothing here. */
export function plannedCalls(plan: CallPlan, scene: Scene): Call[] {
  if (plan.what === 'redrive') return redriveCalls(plan, scene);
  const call = plannedCall(plan, scene);
  return call ? [call] : [];
}

function plannedCall(plan: Exclude<CallPlan, { what: 'redrive' }>, scene: Scene): Call | undefined {
  const { broker, store, handedOut, stream } = scene;
  const { epoch, base } = store.epoch;
  const { messages, given, isSettled, isStorable } = viewOf(scene);

  switch (plan.what) {
    case 'settle': {
      const storable = messages.filter((message) => !message.redrive && isStorable(message));
      const news = storable.filter((message) => !store.rows.has(base + message.sequence));
      const picked = plan.picks.map(({ news: fresh, at }) => one(fresh && news.length > 0 ? news : storable, at));
      const all = new Set([...picked, ...(plan.everything ? news : [])].filter((message) => message !== undefined));
      if (all.size === 0) return undefined;
      const batch = [...all]
        .map(given)
        .sort((a, b) => (plan.backwards ? b.position - a.position : a.position - b.position));
      handedOut.push({ epoch, given: batch });
      return storing(epoch, plan.shard, batch);
    }
    case 'bury': {
      const poison = messages.filter((message) => message.poison && !isSettled(message));
      const others = messages.filter((message) => message.redrive || isSettled(message));
      const message = one(plan.at % 4 !== 0 && poison.length > 0 ? poison : others, plan.at >> 2);
      return message && burying(epoch, plan.shard, given(message), refusal);
    }
    case 'discard': {
      const letter = one(
        [...store.rows].filter(([, { kind }]) => kind === 'dead'),
        plan.at,
      );
      return letter && discarding(letter[0]);
    }
    case 'advance': {
      if (plan.late % 5 === 0 && epoch > 1) return advancing(1 + (plan.late % (epoch - 1)), base + 1000, base + 2000);
      const { lastSequence } = broker.kept;
      const committed = base + broker.ackedUpTo() - plan.behind;
      return advancing(epoch, Math.max(committed, 0), Math.max(base + lastSequence - plan.knownBehind, 0));
    }
    case 'open': {
      // A worker that comes late finds the epoch open.
      const expected = plan.at % 7 === 0 && epoch > 1 ? epoch - 1 : epoch;
      return stream && opening(expected, stream.created, stream.lastSequence);
    }
    case 'late': {
      const over = one(
        handedOut.filter((handed) => handed.epoch < epoch),
        plan.at,
      );
      return over && storing(over.epoch, plan.shard, over.given);
    }
    case 'stranger':
      return strangerCall(plan, scene);
  }
}

function redriveCalls({ at, beside, shard }: CallPlan & { what: 'redrive' }, scene: Scene): Call[] {
  const { messages, given, isSettled, isStorable } = viewOf(scene);
  const { epoch } = scene.store.epoch;
  const redrives = messages.filter(({ redrive }) => redrive);
  const news = redrives.filter((message) => !isSettled(message));
  const message = one(at % 4 !== 0 && news.length > 0 ? news : redrives, at >> 2);
  if (message === undefined) return [];
  const others = redrives.filter((other) => other !== message && other.redrive?.letter === message.redrive?.letter);
  const chosen = { nothing: [message], itself: [message, message], another: [message, one(others, at) ?? message] };
  return chosen[beside].map((each, i) =>
    isStorable(each)
      ? redriving(epoch, (shard + i) % 3, given(each))
      : burying(epoch, (shard + i) % 3, given(each), refusal),
  );
}

/** A message under a sequence that was given out before: the broker has gone back, and the epoch is not yet another. */
function strangerCall({ at, as, shard }: CallPlan & { what: 'stranger' }, { broker, store }: Scene): Call | undefined {
  const { epoch, base } = store.epoch;
  // Above the watermark only another copy of the same event can show it.
  const places = Array.from({ length: broker.kept.lastSequence }, (_, i) => base + i + 1).filter((position) => {
    const kind = store.rows.get(position)?.kind;
    return position <= store.watermark || kind === 'stored' || kind === 'refused';
  });
  const position = places[at % places.length];
  if (position === undefined) return undefined;
  const settled = position <= store.watermark;
  const present = store.rows.get(position)?.message.content;
  const atUs = broker.strangeTimeUs();
  const kinds = settled ? (['same', 'other', 'tally', 'bury', 'redrive', 'bury again'] as const) : (['same'] as const);
  const kind = kinds[as % kinds.length];
  const other = {
    kind: 'copy',
    topic: 'orders',
    eventId: 'z',
    source: 'shop',
    payload: payloads[0],
    timestampUs: 1n,
  } as const;
  const tally: Content = { kind: 'tally', groups: [{ topic: 'orders', source: 'shop', eventIds: ['z'] }] };
  const sameOrOther = present?.kind === 'copy' ? present : other;
  const content = kind === 'tally' ? tally : kind === 'same' ? sameOrOther : other;
  const message: Message = {
    uid: -Number(atUs),
    sequence: position - base,
    receivedAtUs: atUs,
    content,
    poison: false,
  };
  const stranger = { message, position, atUs };
  if (kind === 'bury') return burying(epoch, shard, stranger, refusal);
  if (kind === 'redrive' || kind === 'bury again') {
    const letters = [...store.rows].filter(([, row]) => row.kind === 'dead' && (row.letter.redriven || as % 2 === 0));
    const letter = one(letters, as >> 3)?.[0];
    if (letter === undefined) return undefined;
    const sending = [...store.redrives.keys()][0] ?? 0;
    const again = { ...stranger, message: { ...message, redrive: { letter, sending } } };
    return kind === 'redrive' ? redriving(epoch, shard, again) : burying(epoch, shard, again, refusal);
  }
  return storing(epoch, shard, [stranger]);
}
