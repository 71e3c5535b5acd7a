import { Outcome, type PublishResult, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import {
  answeredOutcomes,
  fieldsAtFault,
  gatewayMetrics as metrics,
  refusalReasons,
  requestResults,
  waits,
} from '@eventsieve/contract/metric-names';
import type { EndedCall } from '@eventsieve/runtime/grpc-server';
import {
  counterOf,
  createRegistry,
  type Exposition,
  expositionOf,
  forEach,
  gaugeOf,
  histogramOf,
} from '@eventsieve/runtime/metrics';
import type { Admission } from './admission.js';
import type { Publisher } from './publisher.js';
import type { VerdictDesk } from './verdict-desk.js';

/** What is counted on the way of a request; each call stands for a whole request, never for one message. */
export interface GatewayMetrics {
  readonly exposition: Exposition;
  received(waitForStored: boolean, copies: number): void;
  answered(waitForStored: boolean, results: readonly Pick<PublishResult, 'outcome' | 'error'>[]): void;
  droppedByBroker(copies: number, tallies: number): void;
  published(seconds: number): void;
  ended(call: EndedCall<DoorRequest>): void;
}

export interface GatewayMetricsDeps {
  readonly publisher: Publisher;
  readonly desk: VerdictDesk;
  readonly admission: Admission;
  readonly maxRequestBytesInFlight: number;
  readonly connected: () => boolean;
}

const outcomeNames: Readonly<Partial<Record<Outcome, (typeof answeredOutcomes)[number]>>> = {
  [Outcome.OUTCOME_ACCEPTED]: 'accepted',
  [Outcome.OUTCOME_STORED]: 'stored',
  [Outcome.OUTCOME_DUPLICATE]: 'duplicate',
  [Outcome.OUTCOME_CONFLICT]: 'conflict',
  [Outcome.OUTCOME_REJECTED]: 'rejected',
  [Outcome.OUTCOME_DEAD_LETTERED]: 'dead_lettered',
};

export function createGatewayMetrics({
  publisher,
  desk,
  admission,
  maxRequestBytesInFlight,
  connected,
}: GatewayMetricsDeps): GatewayMetrics {
  const registry = createRegistry();
  const receivedCounter = counterOf(registry, metrics.received);
  const answeredCounter = counterOf(registry, metrics.answered);
  const rejectedCounter = counterOf(registry, metrics.rejected);
  const refusedCounter = counterOf(registry, metrics.refused);
  const invalidCounter = counterOf(registry, metrics.invalid);
  const requestHistogram = histogramOf(registry, metrics.requestSeconds);
  const duplicates = counterOf(registry, metrics.duplicates).labels({ place: 'broker' });
  const tallies = counterOf(registry, metrics.tallies);
  const publishSeconds = histogramOf(registry, metrics.publishSeconds).labels({});
  gaugeOf(registry, metrics.unackedMessages, () => publisher.messagesInFlight());
  gaugeOf(registry, metrics.unackedBytes, () => publisher.bytesInFlight());
  gaugeOf(registry, metrics.requestBytes, () => admission.bytesInFlight());
  gaugeOf(registry, metrics.requestLimitBytes, () => maxRequestBytesInFlight);
  gaugeOf(registry, metrics.waiting, () => desk.waiting());
  gaugeOf(registry, metrics.connected, () => (connected() ? 1 : 0));

  const received = forEach(waits, (wait) => receivedCounter.labels({ wait }));
  const answered = forEach(waits, (wait) =>
    forEach(answeredOutcomes, (outcome) => answeredCounter.labels({ wait, outcome })),
  );
  const rejected = forEach(fieldsAtFault, (field) => rejectedCounter.labels({ field }));
  const refused = forEach(refusalReasons, (reason) => refusedCounter.labels({ reason }));
  const invalid = forEach(fieldsAtFault, (field) => invalidCounter.labels({ field }));
  const requestSeconds = forEach(waits, (wait) =>
    forEach(requestResults, (result) => requestHistogram.labels({ wait, result })),
  );

  return {
    exposition: expositionOf(registry),

    received: (waitForStored, copies) => received[waitOf(waitForStored)].inc(copies),

    answered(waitForStored, results) {
      const children = answered[waitOf(waitForStored)];
      const copies = new Map<Outcome, number>();
      for (const { outcome, error } of results) {
        copies.set(outcome, (copies.get(outcome) ?? 0) + 1);
        if (outcome === Outcome.OUTCOME_REJECTED) rejected[fieldAtFault(error?.field)].inc();
      }
      for (const [outcome, count] of copies) {
        const name = outcomeNames[outcome];
        if (name !== undefined) children[name].inc(count);
      }
    },

    droppedByBroker(copies, written) {
      duplicates.inc(copies);
      tallies.inc(written);
    },

    published: (seconds) => publishSeconds.observe(seconds),

    ended({ request, error, seconds }) {
      if (error !== undefined) {
        const reason = known(refusalReasons, error.reason ?? error.code, 'OTHER');
        refused[reason].inc();
        if (reason === 'INVALID_FIELD') invalid[fieldAtFault(error.fields[0]?.field)].inc();
      }
      if (request === undefined) return;
      requestSeconds[waitOf(request.waitFor === WaitFor.WAIT_FOR_STORED)][resultOf(error)].observe(seconds);
    },
  };
}

const waitOf = (waitForStored: boolean) => (waitForStored ? 'stored' : 'broker');

function resultOf(error: EndedCall<DoorRequest>['error']): (typeof requestResults)[number] {
  if (error === undefined) return 'answered';
  if (error.code === 'INVALID_ARGUMENT') return 'invalid';
  return error.code === 'INTERNAL' ? 'failed' : 'retryable';
}

/** `payload.items[3]` is the fault of `payload`. */
function fieldAtFault(path = ''): (typeof fieldsAtFault)[number] {
  return known(fieldsAtFault, path.split(/[.[]/, 1)[0] ?? '', 'other');
}

/** A label has the values of its list and no other, whatever comes. */
function known<Value extends string>(values: readonly Value[], value: string, otherwise: Value): Value {
  return values.find((each) => each === value) ?? otherwise;
}
