import { EventsieveError } from '@eventsieve/contract/errors';
import { IngestServiceService } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { oneByOneHeader } from '@eventsieve/contract/one-by-one';
import { type Client, type ClientDuplexStream, Metadata, type ServiceError } from '@grpc/grpc-js';

export interface LineLimits {
  /** A line is not used again after this: the gateway closes old connections, and a line would hold on to its own. */
  readonly lifeMs: number;
  /** Lines that are kept while nothing is to be said. */
  readonly mostIdle: number;
}

/** Calls that stay open. Each carries one request at a time, and many one after the other. */
export interface PublishLines {
  /** Rejects with the error that ended the line. */
  publish(request: Buffer, timeoutMs: number): Promise<Buffer>;
  close(): void;
}

interface Waiter {
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: EventsieveError) => void;
  readonly timer: NodeJS.Timeout;
}

interface Line {
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  readonly openedAtMs: number;
  waiter: Waiter | undefined;
}

const asItIs = (bytes: Buffer) => bytes;
const defaultLimits: LineLimits = { lifeMs: 10_000, mostIdle: 32 };

/**
 * A new call for each request costs the bridge and the gateway more than all else that they do for it, and grpc-js holds
 * on to what a call was made of until the next full collection.
 */
export function openPublishLines(client: Client, { lifeMs, mostIdle }: LineLimits = defaultLimits): PublishLines {
  let idle: Line[] = [];
  let closed = false;

  function open(): Line {
    const metadata = new Metadata();
    metadata.set(oneByOneHeader, '1');
    const call = client.makeBidiStreamRequest(IngestServiceService.publishStream.path, asItIs, asItIs, metadata);
    const line: Line = { call, openedAtMs: Date.now(), waiter: undefined };
    call.on('data', (answer: Buffer) => {
      const waiter = free(line);
      if (waiter === undefined) return;
      keep(line);
      waiter.resolve(answer);
    });
    call.on('error', (error: ServiceError) => end(line, fromGrpcError(error)));
    call.on('end', () => end(line, new EventsieveError('UNAVAILABLE', 'the stream ended')));
    return line;
  }

  function free(line: Line): Waiter | undefined {
    const { waiter } = line;
    line.waiter = undefined;
    clearTimeout(waiter?.timer);
    return waiter;
  }

  const isYoung = ({ openedAtMs }: Line) => Date.now() - openedAtMs < lifeMs;

  function keep(line: Line): void {
    if (!closed && idle.length < mostIdle && isYoung(line)) idle.push(line);
    else line.call.end();
  }

  function end(line: Line, error: EventsieveError): void {
    idle = idle.filter((each) => each !== line);
    free(line)?.reject(error);
  }

  function take(): Line {
    for (let line = idle.pop(); line !== undefined; line = idle.pop()) {
      if (isYoung(line)) return line;
      line.call.end();
    }
    return open();
  }

  return {
    publish: (request, timeoutMs) =>
      new Promise((resolve, reject) => {
        const line = take();
        const timer = setTimeout(() => {
          free(line)?.reject(new EventsieveError('DEADLINE_EXCEEDED', 'no answer in time'));
          line.call.cancel();
        }, timeoutMs);
        line.waiter = { resolve, reject, timer };
        line.call.write(request);
      }),
    close() {
      closed = true;
      for (const { call } of idle) call.cancel();
      idle = [];
    },
  };
}
