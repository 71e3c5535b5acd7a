import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync, open, readSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { UsageError } from '../command.js';

/** What tells one content of a file from another without reading all of it. */
export interface FileIdentity {
  readonly size: number;
  readonly mtimeMs: number;
  /** Of its first bytes. */
  readonly headHash: string;
}

export interface Input {
  /** For people. */
  readonly name: string;
  /** Undefined of what cannot be read twice. */
  readonly identity: FileIdentity | undefined;
  /** Of the file as it lies there; undefined while nobody knows. */
  readonly totalBytes: number | undefined;
  /** Of these, what was read. */
  readBytes(): number;
  /** Of these, what was left out at the beginning. */
  skippedBytes(): number;
  /** Unpacked, from a place on. */
  chunks(offset: number): AsyncGenerator<Buffer>;
  /** Ends the chunks, also while one is waited for. */
  stop(): void;
}

const openFile = promisify(open);

const headBytes = 64 * 1024;
const chunkBytes = 64 * 1024;

export async function openInput(path: string | undefined): Promise<Input> {
  if (path === undefined || path === '-') return standardInput();
  const fd = await openFile(path, 'r').catch((error: Error) => {
    throw new UsageError(`${path} cannot be read: ${error.message}.`);
  });
  const status = fstatSync(fd);
  if (!status.isFile() && !status.isDirectory()) return streamInput(path, () => streamOf(fd, status));
  try {
    if (status.isDirectory()) throw new UsageError(`${path} is a folder.`);
    return fileInput(path, fd, status);
  } finally {
    closeSync(fd);
  }
}

function fileInput(path: string, fd: number, { size, mtimeMs }: Stats): Input {
  const buffer = Buffer.alloc(headBytes);
  const head = buffer.subarray(0, readSync(fd, buffer, 0, headBytes, 0));
  const headHash = createHash('sha256').update(head).digest('base64url');
  return inputOf({
    name: path,
    identity: { size, mtimeMs, headHash },
    totalBytes: size,
    seekable: !isGzip(head),
    read: (start) => createReadStream(path, { start, highWaterMark: chunkBytes }),
  });
}

const standardInput = () => streamInput('the standard input', () => process.stdin);

/** What comes once, and from its beginning. */
function streamInput(name: string, read: () => Readable): Input {
  return inputOf({ name, identity: undefined, totalBytes: undefined, seekable: false, read });
}

/**
 * Of what is open already: to open a pipe once more would wait for another writer. One that waits for what comes next can be
 * given up, which a read from a file cannot.
 */
function streamOf(fd: number, status: Stats): Readable {
  if (status.isFIFO()) return new Socket({ fd, readable: true, writable: false });
  return createReadStream('', { fd, highWaterMark: chunkBytes });
}

interface Source extends Pick<Input, 'name' | 'identity' | 'totalBytes'> {
  readonly seekable: boolean;
  readonly read: (start: number) => Readable;
}

function inputOf({ name, identity, totalBytes, seekable, read }: Source): Input {
  let readBytes = 0;
  let skippedBytes = 0;
  let stopped = false;
  let raw: Readable | undefined;

  async function* counted(stream: Readable): AsyncGenerator<Buffer> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      readBytes += chunk.length;
      yield chunk;
    }
  }

  return {
    name,
    identity,
    totalBytes,
    readBytes: () => readBytes,
    skippedBytes: () => skippedBytes,
    async *chunks(offset) {
      raw = read(seekable ? offset : 0);
      skippedBytes = seekable ? offset : 0;
      readBytes = skippedBytes;
      let toSkip = seekable ? 0 : offset;
      try {
        for await (const chunk of unpacked(counted(raw))) {
          if (stopped) return;
          const skipped = Math.min(toSkip, chunk.length);
          toSkip -= skipped;
          if (skipped < chunk.length) yield chunk.subarray(skipped);
        }
      } catch (error) {
        if (!stopped) throw new Error(`${name} cannot be read on: ${(error as Error).message}`);
      }
    },
    stop() {
      stopped = true;
      raw?.destroy();
    },
  };
}

const isGzip = (bytes: Buffer) => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** As it is, or what was packed into it. */
async function* unpacked(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { done, value } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  if (!isGzip(head)) {
    if (head.length > 0) yield head;
    yield* chunks;
    return;
  }
  yield* gunzip(head, chunks);
}

async function* gunzip(head: Buffer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const unpacking = createGunzip({ chunkSize: chunkBytes });
  const feed = async () => {
    unpacking.write(head);
    for await (const chunk of chunks) {
      if (!unpacking.write(chunk))
        await new Promise((resolve) => unpacking.once('drain', resolve).once('close', resolve));
      if (unpacking.destroyed) return;
    }
    unpacking.end();
  };
  feed().catch((error) => unpacking.destroy(error));
  yield* unpacking as AsyncIterable<Buffer>;
}
