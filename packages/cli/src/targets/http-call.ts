import { DeliveryError, requestTimeoutMs } from './target.js';

export const headers = { 'content-type': 'application/json' };

/** The bridge's, whether the address has it or not. */
export function publishUrl(address: string, parameters: Readonly<Record<string, string>>): URL {
  const url = new URL(address);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith('/publish') ? path : `${path}/publish`;
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

export async function ask(url: URL, request: RequestInit, end?: AbortSignal): Promise<Answer> {
  try {
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    const signal = end === undefined ? timeout : AbortSignal.any([timeout, end]);
    const response = await fetch(url, { ...request, signal });
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      status: response.status,
      text: await response.text(),
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    };
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    const timedOut = name === 'TimeoutError';
    const reason = timedOut
      ? `no answer within ${requestTimeoutMs / 1000} s`
      : (cause?.code ?? cause?.message ?? message);
    throw new DeliveryError(`${url.host} cannot be reached: ${reason}`, { retryable: true, timedOut, cause: error });
  }
}

export function failureOf(url: URL, { status, text, retryAfterMs }: Answer): DeliveryError {
  const { error } = parsed(text) as { error?: { message?: string } };
  return new DeliveryError(`${url.host} answered ${status}: ${error?.message ?? text.slice(0, 100)}`, {
    retryable: mayPass(status),
    timedOut: false,
    retryAfterMs,
  });
}

export function mayPass(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

export function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
