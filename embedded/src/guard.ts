import type { TrackedKind } from './child.js';
import type { GuardMessage } from './guard-protocol.js';
import { goneWithin, type Identity, signalGroup, signalProcess } from './processes.js';

// A process of its own, which only waits for the launcher's channel to close. If the launcher ended everything before
// that, nothing is left to do; if it was killed, this ends what it left behind, in the launcher's order.

const watched = new Map<string, { kind: TrackedKind; identity: Identity }>();
const keyOf = ({ pid, startTime }: Identity) => `${pid}/${startTime}`;

process.on('message', (message: GuardMessage) => {
  const key = keyOf(message.identity);
  if (message.type === 'watch') watched.set(key, message);
  else watched.delete(key);
});

// Whoever ends everything with one signal wants the launcher to stop; this must outlive it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

process.once('disconnect', async () => {
  const all = (kind: TrackedKind) => [...watched.values()].filter((w) => w.kind === kind).map((w) => w.identity);
  for (const task of all('task')) signalGroup(task, 'SIGKILL');
  await end(all('service'), signalGroup, [['SIGTERM', 5_000]]);
  await Promise.all([
    end(all('nats'), signalProcess, [['SIGTERM', 3_000]]),
    end(all('postgres'), signalProcess, [
      ['SIGINT', 3_000],
      ['SIGQUIT', 2_000],
    ]),
  ]);
  process.exit(0);
});

type Send = (identity: Identity, signal: NodeJS.Signals) => void;

async function end(processes: Identity[], send: Send, steps: [NodeJS.Signals, number][]): Promise<void> {
  for (const [signal, budgetMs] of steps) {
    for (const identity of processes) send(identity, signal);
    if (await goneWithin(processes, budgetMs)) return;
  }
  for (const identity of processes) send(identity, 'SIGKILL');
  await goneWithin(processes, 1_000);
}
