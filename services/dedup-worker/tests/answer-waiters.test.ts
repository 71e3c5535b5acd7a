import type { NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { answerWaiters } from '../src/answer-waiters.js';
import type { Delivery } from '../src/delivery.js';
import { copyAt } from './deliveries.js';

test('who waited for a copy that is redriven is not told again: it has had its verdict', () => {
  const delivery = copyAt({ position: 1 });
  if (delivery.content.kind !== 'copy') throw new Error('no copy');
  const copy = { ...delivery.content.copy, replyTo: 'gateway', ticket: 7n };
  const sent: Delivery = { ...delivery, content: { kind: 'copy', copy } };
  const told: string[] = [];
  const connection = { publish: (subject: string) => told.push(subject) } as unknown as NatsConnection;
  answerWaiters(connection, [{ ...sent, redrive: { deadLetter: 1n, sending: 1n } }], new Map(), undefined);
  expect(told).toEqual([]);
  answerWaiters(connection, [sent], new Map(), undefined);
  expect(told).toEqual(['gateway']);
});
