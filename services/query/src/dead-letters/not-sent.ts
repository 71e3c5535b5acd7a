import type { PublishError } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { erasedCode } from '../erase/target.js';

const notSent = (code: string, message: string): PublishError => ({ code, message, field: '' });

export const notFound = notSent('NOT_FOUND', 'there is no dead letter of this position');
export const erased = notSent(erasedCode, 'what it carried was erased');
export const alreadyRedriven = notSent('ALREADY_REDRIVEN', 'was sent through again before');
