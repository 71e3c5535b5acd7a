import type { NewEvent, PublishResult } from '@eventsieve/client';

/** Where events are published, one by one; how they travel together is its own business. */
export interface Door {
  /** For people. */
  readonly name: string;
  /** Resolves when there is room for an event. */
  ready(): Promise<void>;
  /** An event that is refused resolves as rejected, or rejects with an EventsieveError that says so. */
  send(event: NewEvent): Promise<PublishResult>;
  /** Resolves when all have their verdict or their error; when the signal fires, what is left rejects. */
  close(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

export interface DoorOptions {
  readonly wait: 'broker' | 'stored';
  readonly batch: number;
  readonly inFlight: number;
}
