import { invalid } from '@eventsieve/contract/errors';
import { readJsonTree } from '@eventsieve/runtime/json-text-tree';
import { maxDepth, type ReadRequest, refusalOf } from '../http/read-events.js';
import { maxMembers, readStructured } from './read-structured.js';

/** The structured mode, one CloudEvent, and the batched mode, an array of them, in the JSON format. */
export function readCloudEvents(text: string, batch: boolean, maxEvents: number): ReadRequest {
  const result = readJsonTree(text, { maxDepth, maxItems: maxEvents, maxMembers, wholeLists: true });
  if (!('node' in result)) throw refusalOf(result, maxEvents);
  const { node } = result;
  if (node.kind !== (batch ? 'array' : 'object')) {
    throw invalid([{ field: 'body', message: batch ? 'must be an array of CloudEvents' : 'must be one CloudEvent' }]);
  }
  const takenAtMs = Date.now();
  const events = (batch ? (node.items ?? []) : [node]).map((item) => readStructured(text, item, takenAtMs));
  return { single: !batch, events, cloudEvents: true };
}
