/** What the OpenAPI document is put together from. Plain JSON, no more of the format than is used here. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Example {
  readonly value: Json;
  readonly summary?: string;
}
export type Examples = Readonly<Record<string, Example>>;
export type Schema = { readonly [key: string]: Json };

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: Schema;
  readonly examples?: Examples;
}

export interface Content {
  readonly schema: Schema;
  readonly examples?: Examples;
}

export interface Response {
  readonly description: string;
  readonly headers?: { readonly [name: string]: Json };
  readonly content?: Readonly<Record<string, Content>>;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required: true;
    readonly description: string;
    readonly content: Readonly<Record<string, Content>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}

export type Paths = Readonly<Record<string, Readonly<Partial<Record<'get' | 'post' | 'delete', Operation>>>>>;

export const reference = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** An object that has all of these members but those that are named, and no others. */
export function objectOf(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', additionalProperties: false, required, properties };
}

export const json = (schema: string, examples?: Examples): Readonly<Record<string, Content>> => ({
  'application/json': { schema: reference(schema), ...(examples && { examples }) },
});

const retryAfter = {
  'Retry-After': { description: 'Seconds after which to try again.', required: true, schema: { type: 'integer' } },
};

export function failure(description: string, examples?: Examples): Response {
  return { description, content: json('Error', examples) };
}

/** One field that is refused, as an example. */
export const refused = (field: string, message: string): Example => ({
  value: { error: { code: 'invalid_argument', message: `${field}: ${message}`, fields: [{ field, message }] } },
});

export const unavailable: Response = {
  description: 'A part is away. After POST /publish: send the same events again, for their fate may be unknown.',
  headers: retryAfter,
  content: json('Error'),
};
export const overloaded: Response = {
  description: 'Too much at once, or the stream is full; nothing is lost: send the same events again.',
  headers: retryAfter,
  content: json('Error'),
};
export const internal = failure('A fault of the service; its log has the cause.');
