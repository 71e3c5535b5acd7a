import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One .proto file as the compiler wrote it, and what it defines. */
export interface DescribedFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly imports: readonly string[];
  /** Full names of its messages, enums, services and methods. */
  readonly symbols: readonly string[];
}

// Field numbers of google/protobuf/descriptor.proto, which are fixed for ever.
const file = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6 } as const;
const message = { nestedType: 3, enumType: 4 } as const;
const methodOfService = 2;
const nameOfAnything = 1;

type Fields = Map<number, Uint8Array[]>;

/** Reads a FileDescriptorSet just far enough to find files by name and by symbol. */
export function readDescriptors(set: Buffer): DescribedFile[] {
  return all(fieldsOf(set), 1).map((bytes) => {
    const fields = fieldsOf(bytes);
    const packageName = text(fields, file.package);
    const symbols: string[] = [];
    const scope = packageName === '' ? '' : `${packageName}.`;
    for (const each of all(fields, file.message)) collectMessage(each, scope, symbols);
    for (const each of all(fields, file.enum)) symbols.push(scope + text(fieldsOf(each), nameOfAnything));
    for (const each of all(fields, file.service)) {
      const service = fieldsOf(each);
      const name = scope + text(service, nameOfAnything);
      symbols.push(name);
      for (const method of all(service, methodOfService))
        symbols.push(`${name}.${text(fieldsOf(method), nameOfAnything)}`);
    }
    return {
      name: text(fields, file.name),
      bytes: Buffer.from(bytes),
      imports: all(fields, file.dependency).map((each) => Buffer.from(each).toString()),
      symbols,
    };
  });
}

function collectMessage(bytes: Uint8Array, scope: string, symbols: string[]): void {
  const fields = fieldsOf(bytes);
  const name = scope + text(fields, nameOfAnything);
  symbols.push(name);
  for (const each of all(fields, message.nestedType)) collectMessage(each, `${name}.`, symbols);
  for (const each of all(fields, message.enumType)) symbols.push(`${name}.${text(fieldsOf(each), nameOfAnything)}`);
}

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields: Fields = new Map();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited) {
      reader.skip(type, number);
      continue;
    }
    const values = fields.get(number);
    if (values) values.push(reader.bytes());
    else fields.set(number, [reader.bytes()]);
  }
  return fields;
}

const all = (fields: Fields, number: number): readonly Uint8Array[] => fields.get(number) ?? [];
const text = (fields: Fields, number: number): string => Buffer.from(all(fields, number)[0] ?? []).toString();
