import { Metadata } from '@grpc/grpc-js';
import { noMetadata, refuse } from './error.js';

/** Names and values of headers; names that end in -bin have bytes. */
export type HeaderValues = Readonly<Record<string, string | Buffer | undefined>>;

export type CallMetadata = HeaderValues | (() => HeaderValues | Promise<HeaderValues>);

/** The metadata of the next call. A promise only when the caller's function gives one. */
export type MetadataSource = () => Metadata | Promise<Metadata>;

export function metadataSource({
  apiKey,
  metadata,
}: {
  readonly apiKey?: string | undefined;
  readonly metadata?: CallMetadata | undefined;
}): MetadataSource {
  const own: HeaderValues = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  if (typeof metadata !== 'function') {
    const values = { ...own, ...metadata };
    // Said at once, not at the first call.
    metadataOf(values);
    return () => metadataOf(values);
  }
  return () => {
    const more = ask(metadata);
    return more instanceof Promise
      ? more.then((values) => metadataOf({ ...own, ...values }))
      : metadataOf({ ...own, ...more });
  };
}

function ask(metadata: () => HeaderValues | Promise<HeaderValues>) {
  try {
    return metadata();
  } catch (error) {
    throw noMetadata(error);
  }
}

function metadataOf(values: HeaderValues): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    try {
      metadata.set(name, value);
    } catch {
      // What grpc-js says names the value, which may be a secret.
      throw refuse([{ field: name, message: 'cannot be sent as metadata' }]);
    }
  }
  return metadata;
}
