import { expect, inject, test } from 'vitest';
import { fuzzFunctions } from './faults/fuzz/fuzz-functions.js';
import { randomOf } from './faults/random.js';

const seed = process.env.FUZZ_SEED ?? Math.random().toString(36).slice(2, 10);
const inputs = Number(process.env.FUZZ_INPUTS ?? 15_000);

test(`whatever the doors take is stored and comes back as it was; the rest is refused by name (FUZZ_SEED=${seed})`, async () => {
  const { kinds, stored, findings } = await fuzzFunctions(randomOf(seed), {
    inputs,
    superuserUrl: inject('postgresUrl'),
    stop: new AbortController().signal,
    say: () => undefined,
  });
  expect(findings).toEqual([]);
  for (const [name, { taken, refused }] of Object.entries(kinds)) {
    expect(Math.min(taken, refused), name).toBeGreaterThan(inputs / 200);
  }
  expect(stored).toBeGreaterThan(inputs / 4);
}, 600_000);
