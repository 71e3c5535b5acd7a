import { fileDescriptorSetBase64 } from '@eventsieve/contract/gen/descriptors';
import {
  ServerReflectionService as ReflectionV1,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '@eventsieve/contract/gen/grpc/reflection/v1/reflection';
import { ServerReflectionService as ReflectionV1Alpha } from '@eventsieve/contract/gen/grpc/reflection/v1alpha/reflection';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type DescribedFile, readDescriptors } from './file-descriptors.js';
import type { GrpcService } from './grpc-server.js';

type Stream = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;

/**
 * Server reflection, v1 and v1alpha (their messages are the same). Ours, because @grpc/reflection serves broken
 * descriptors for files that import others (grpc-node#2958, #3018).
 */
export function reflectionServices(serviceNames: readonly string[]): GrpcService[] {
  const files = readDescriptors(Buffer.from(fileDescriptorSetBase64, 'base64'));
  const byName = new Map(files.map((file) => [file.name, file]));
  const bySymbol = new Map(files.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)));

  // A client wants the file and all that it imports, so that one question is enough.
  function withImports(file: DescribedFile, seen = new Set<DescribedFile>()): Set<DescribedFile> {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const name of file.imports) {
      const imported = byName.get(name);
      if (imported) withImports(imported, seen);
    }
    return seen;
  }

  function answer(request: ServerReflectionRequest): Partial<ServerReflectionResponse> {
    const found = (file: DescribedFile | undefined, what: string): Partial<ServerReflectionResponse> =>
      file
        ? { fileDescriptorResponse: { fileDescriptorProto: [...withImports(file)].map((each) => each.bytes) } }
        : { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `${what} not found` } };

    if (request.listServices !== undefined) {
      return { listServicesResponse: { service: serviceNames.map((name) => ({ name })) } };
    }
    if (request.fileByFilename !== undefined) return found(byName.get(request.fileByFilename), request.fileByFilename);
    if (request.fileContainingSymbol !== undefined) {
      return found(bySymbol.get(request.fileContainingSymbol), request.fileContainingSymbol);
    }
    if (request.allExtensionNumbersOfType !== undefined) {
      const baseTypeName = request.allExtensionNumbersOfType;
      return { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] } };
    }
    return { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: 'there are no extensions here' } };
  }

  const implementation = {
    serverReflectionInfo(call: Stream) {
      call.on('data', (request: ServerReflectionRequest) => {
        call.write({
          validHost: request.host,
          originalRequest: request,
          ...answer(request),
        } as ServerReflectionResponse);
      });
      call.on('end', () => call.end());
      call.on('error', () => call.end());
    },
  };
  return [
    { definition: ReflectionV1, implementation },
    { definition: ReflectionV1Alpha, implementation },
  ];
}
