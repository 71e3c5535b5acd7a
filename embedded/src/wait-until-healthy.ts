import { setTimeout as delay } from 'node:timers/promises';

const lookEveryMs = 50;
const patienceMs = 10_000;
const askMs = 2_000;

/**
 * Doors open before what is behind them is found. Resolves when everything is there, so that the first event after it is
 * taken; or, after a while, with the parts that are not, since what is not embedded may be away for long.
 */
export async function waitUntilHealthy(url: string, stop: AbortSignal): Promise<readonly string[]> {
  const health = new URL('/health', url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:'));
  const giveUpAtMs = performance.now() + patienceMs;
  for (;;) {
    const missing = await missingParts(health, stop);
    if (missing.length === 0 || stop.aborted || performance.now() > giveUpAtMs) return missing;
    await delay(lookEveryMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

async function missingParts(health: URL, stop: AbortSignal): Promise<readonly string[]> {
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(askMs)]);
    const response = await fetch(health, { signal });
    const { parts } = (await response.json()) as { readonly parts?: Readonly<Record<string, boolean>> };
    return Object.entries(parts ?? {}).flatMap(([part, ok]) => (ok ? [] : [part]));
  } catch {
    return ['query'];
  }
}
