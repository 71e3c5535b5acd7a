/** What is erased: one event, or without an id all events of the topic. */
export interface Target {
  readonly topic: string;
  readonly eventId: string;
}

/** The code of a dead letter that carries nothing any more. */
export const erasedCode = 'ERASED';

export const parametersOf = ({ topic, eventId }: Target) => [topic, eventId];
export const isTarget = (alias: string) => `${alias}.topic = $1 and ($2 = '' or ${alias}.event_id = $2)`;
