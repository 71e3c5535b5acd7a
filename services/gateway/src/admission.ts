import { tooManyBytes, tooManyWaiting } from './refusals.js';

export interface AdmissionLimits {
  /** Copies of STORED calls, from the call's start to its answer. */
  readonly maxWaitingCopies: number;
  readonly maxRequestBytesInFlight: number;
}

export interface CallSize {
  readonly waitForStored: boolean;
  readonly copies: number;
  readonly bytes: number;
}

export interface Admission {
  /** Lets a call in until what is given back is called, or throws the refusal. */
  admit(call: CallSize): () => void;
  /** What those that are in may hold, all together. */
  bytesInFlight(): number;
}

// Measured with thousands of calls that wait: what grpc-js keeps of a call, and what an event is as objects.
const bytesOfCall = 16 * 1024;
const bytesOfCopy = 1024;
// While Postgres is away STORED calls stay for seconds: what they may take leaves room for those that wait for the broker.
const storedShare = 0.5;

/** What a call keeps in memory, at most. */
export function heldBytes({ bytes, copies }: Omit<CallSize, 'waitForStored'>): number {
  return bytes + bytesOfCall + copies * bytesOfCopy;
}

/** Bounds what calls hold in memory from their start to their answer, whatever they wait for. */
export function createAdmission({ maxWaitingCopies, maxRequestBytesInFlight }: AdmissionLimits): Admission {
  const all = { calls: 0, bytes: 0 };
  const stored = { calls: 0, bytes: 0, copies: 0 };
  const maxStoredBytes = maxRequestBytesInFlight * storedShare;

  return {
    bytesInFlight: () => all.bytes,

    admit(call) {
      const { waitForStored, copies } = call;
      const bytes = heldBytes(call);
      if (waitForStored && stored.calls > 0) {
        if (stored.copies + copies > maxWaitingCopies) throw tooManyWaiting();
        if (stored.bytes + bytes > maxStoredBytes) throw tooManyBytes();
      }
      if (all.calls > 0 && all.bytes + bytes > maxRequestBytesInFlight) throw tooManyBytes();
      all.calls += 1;
      all.bytes += bytes;
      if (waitForStored) {
        stored.calls += 1;
        stored.bytes += bytes;
        stored.copies += copies;
      }
      let left = false;
      return () => {
        if (left) return;
        left = true;
        all.calls -= 1;
        all.bytes -= bytes;
        if (!waitForStored) return;
        stored.calls -= 1;
        stored.bytes -= bytes;
        stored.copies -= copies;
      };
    },
  };
}
