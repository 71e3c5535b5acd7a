import { IngestServiceService } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { openBrokerLink } from '@eventsieve/runtime/broker-link';
import { createDuplicateLog } from '@eventsieve/runtime/duplicate-log';
import { duplex } from '@eventsieve/runtime/grpc-duplex';
import { createHealth } from '@eventsieve/runtime/grpc-health';
import { oneByOne } from '@eventsieve/runtime/grpc-one-by-one';
import { reflectionServices } from '@eventsieve/runtime/grpc-reflection';
import { type MethodCodec, startGrpcServer, tolerant, type UnaryHandler, unary } from '@eventsieve/runtime/grpc-server';
import type { StartPart } from '@eventsieve/runtime/lifecycle';
import { openSidePort } from '@eventsieve/runtime/side-port';
import { ensureStream } from '@eventsieve/runtime/stream';
import { jetstreamManager } from '@nats-io/jetstream';
import { createAdmission } from './admission.js';
import { readConfig } from './config.js';
import type { Gateway } from './gateway.js';
import { createGatewayMetrics } from './metrics.js';
import { createPublisher } from './publisher.js';
import { readRequest } from './read-request.js';
import { stoppingNow } from './refusals.js';
import { type ArrivedRequest, publish } from './rpc/publish.js';
import { publishStream } from './rpc/publish-stream.js';
import { createVerdictDesk } from './verdict-desk.js';
import { createWaitingRoom } from './waiting-room.js';
import { type Answer, writeResponse } from './write-response.js';

const serviceName = 'eventsieve.v1.IngestService';
const brokerPart = 'nats';
const retryMs = 500;
// Of what all calls may hold: requests of streams that wait until they may come in.
const waitingShare = 0.25;

export const startGateway: StartPart = async (environment, logger) => {
  const config = readConfig(environment);
  const health = createHealth([serviceName, brokerPart]);
  const admission = createAdmission(config.admission);
  const duplicates = createDuplicateLog(logger, config.duplicateLinesPerSecond);
  const desk = createVerdictDesk(config.names.verdictSubjectPrefix, logger);
  const publisher = createPublisher({
    timeoutMs: config.publishTimeoutMs,
    maxMessagesInFlight: config.maxMessagesInFlight,
    maxBytesInFlight: config.maxBytesInFlight,
  });
  let ready = false;
  let stopping = false;

  function setReady(now: boolean): void {
    ready = now;
    if (!stopping) health.set(now);
  }

  const link = openBrokerLink({
    url: config.natsUrl,
    name: 'eventsieve-gateway',
    logger,
    onUp(nc) {
      publisher.attach(nc);
      desk.attach(nc);
      void makeReady();
    },
    onDown() {
      setReady(false);
      publisher.detach();
    },
  });

  let ensuring: Promise<void> | undefined;
  /** However many ask for it, one does it. */
  function ensure(): Promise<void> {
    ensuring ??= (async () => {
      const nc = link.connection();
      if (nc === undefined) throw new Error('no connection to NATS');
      await ensureStream(await jetstreamManager(nc, { timeout: 5_000 }), config.names, config.streamLimits);
    })().finally(() => {
      ensuring = undefined;
    });
    return ensuring;
  }

  async function makeReady(): Promise<void> {
    const connection = link.connection();
    while (!stopping && connection !== undefined && link.connection() === connection) {
      try {
        await ensure();
        return setReady(link.connection() === connection);
      } catch (error) {
        logger.warn({ err: error }, 'the stream is not there yet; trying again');
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  const connected = () => link.connection() !== undefined;
  const metrics = createGatewayMetrics({
    publisher,
    desk,
    admission,
    maxRequestBytesInFlight: config.admission.maxRequestBytesInFlight,
    connected,
  });
  const gateway: Gateway = {
    names: config.names,
    limits: config.limits,
    storedTimeoutMs: config.storedTimeoutMs,
    roomTimeoutMs: config.publishTimeoutMs,
    admission,
    waitingRoom: createWaitingRoom(config.admission.maxRequestBytesInFlight * waitingShare),
    publisher,
    desk,
    duplicates,
    metrics,
    connected,
    maxMessageBytes: () => link.connection()?.info?.max_payload ?? Number.MAX_SAFE_INTEGER,
    ensureStream: ensure,
  };

  const handlePublish: UnaryHandler<ArrivedRequest, Answer> = async (request, context) => {
    if (stopping) throw stoppingNow();
    return await publish(gateway, request, context);
  };
  const publishMethod = unary(
    { path: IngestServiceService.publish.path, ...ownView },
    handlePublish,
    logger,
    metrics.ended,
  );

  const handlePublishStream = duplex<ArrivedRequest, Answer>((conversation) => {
    if (stopping) throw stoppingNow();
    if (conversation.oneByOne) return oneByOne(conversation, handlePublish, metrics.ended);
    return publishStream(gateway, conversation);
  }, logger);
  const server = await startGrpcServer({
    host: config.bindHost,
    port: config.grpcPort,
    portVariable: 'GATEWAY_GRPC_PORT',
    maxReceiveBytes: config.maxRequestBytes,
    drainMs: config.drainMs,
    services: [
      {
        definition: {
          publish: publishMethod.definition,
          publishStream: {
            ...IngestServiceService.publishStream,
            requestDeserialize: tolerant(ownView.requestDeserialize),
            responseSerialize: ownView.responseSerialize,
          },
        },
        implementation: { publish: publishMethod.handler, publishStream: handlePublishStream },
      },
      health.service,
      ...reflectionServices([serviceName, 'grpc.health.v1.Health']),
    ],
  });
  const side = await openSidePort({
    host: config.bindHost,
    port: config.metricsPort,
    portVariable: 'GATEWAY_METRICS_PORT',
    parts: () => ({ nats: ready }),
    metrics: metrics.exposition,
  });

  return {
    addresses: { grpc: server.address, metrics: side.address },
    async stop() {
      stopping = true;
      side.drain();
      health.set(false, ['', serviceName]);
      const patience = setTimeout(() => {
        publisher.letGo();
        desk.letGo();
      }, config.letGoMs);
      await server.stop();
      clearTimeout(patience);
      await link.close();
      publisher.stop();
      desk.stop();
      duplicates.stop();
      await side.stop();
    },
  };
};

/** The gateway's own view of a request and of its answer. */
const ownView: MethodCodec<ArrivedRequest, Answer> = {
  requestDeserialize: (bytes) => ({ ...readRequest(bytes), bytes: bytes.length }),
  responseSerialize: writeResponse,
};
