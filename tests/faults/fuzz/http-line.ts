import { connect } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface Exchange {
  readonly answers: readonly HttpAnswer[];
  readonly closed: boolean;
  /** What is no answer at all. */
  readonly rest: string;
}

/** Sends these pieces, and reads what comes until the server closes, is quiet for so long, or it is enough. */
export function exchange(
  address: string,
  pieces: readonly (string | Uint8Array)[],
  { quietMs = 250, gapMs = 0, enough = Number.POSITIVE_INFINITY } = {},
): Promise<Exchange> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let quiet: NodeJS.Timeout | undefined;
    const socket = connect(Number(port), hostname);
    const end = (closed: boolean) => {
      clearTimeout(quiet);
      socket.destroy();
      resolve({ ...readAnswers(Buffer.concat(chunks)), closed });
    };
    const wait = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => end(false), quietMs + gapMs);
    };
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) break;
        socket.write(piece);
        if (gapMs > 0) await new Promise((resume) => setTimeout(resume, gapMs));
      }
      wait();
    });
    socket.on('data', (bytes: Buffer) => {
      chunks.push(bytes);
      if (Number.isFinite(enough) && readAnswers(Buffer.concat(chunks)).answers.length >= enough) return end(false);
      wait();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => end(true));
  });
}

/** Answers one after another; our servers say the length of each. */
function readAnswers(bytes: Buffer): { answers: HttpAnswer[]; rest: string } {
  const answers: HttpAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    const head = bytes.toString('latin1', at, headEnd < 0 ? bytes.length : headEnd);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    if (headEnd < 0 || Number.isNaN(status)) break;
    const length = Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const chunked = /\ntransfer-encoding: *chunked/i.test(head);
    const from = headEnd + 4;
    const ended = chunked ? bytes.indexOf('0\r\n\r\n', from) + 5 : from + length;
    if (status !== 100) answers.push({ status, body: bytes.toString('utf8', from, ended) });
    at = chunked && ended < from ? bytes.length : ended;
  }
  return { answers, rest: bytes.toString('latin1', at, Math.min(bytes.length, at + 200)) };
}

const answered = new Set([200, 201, 202, 204, 304, 400, 404, 405, 408, 409, 413, 414, 415, 417, 429, 431, 503]);
const notHttp = /not HTTP|headers are too large/;

/** What is wrong with an answer, by the contract. */
export function answerFault({ status, body }: HttpAnswer): string | undefined {
  if (!answered.has(status)) return `answered ${status}: ${body.slice(0, 200)}`;
  if (status < 400 || status === 409) return undefined;
  let error: { code?: unknown; message?: unknown; fields?: unknown } | undefined;
  try {
    error = (JSON.parse(body) as { error?: typeof error }).error;
  } catch {
    // A probe of the health answers 503 with a body of its own, which is JSON as well.
    return `${status} with a body that is not the contract's: ${body.slice(0, 200)}`;
  }
  if (status === 503 && error === undefined) return undefined;
  if (typeof error?.code !== 'string' || typeof error.message !== 'string' || !Array.isArray(error.fields)) {
    return `${status} with a body that is not the contract's: ${body.slice(0, 200)}`;
  }
  if (status === 400 && error.fields.length === 0 && !notHttp.test(error.message)) {
    return `400 without a field: ${body.slice(0, 200)}`;
  }
  return undefined;
}
