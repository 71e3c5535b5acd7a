// Both doors under a steady load, a share of it repeats; ends with the audit. For k6: `docker compose run --rm load`, or
// `k6 run deploy/load/doors.js` against `npm start`.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import grpc from 'k6/net/grpc';

const httpUrl = __ENV.HTTP_URL || 'http://127.0.0.1:8080';
const gatewayAddress = __ENV.GATEWAY_ADDRESS || '127.0.0.1:50051';
const duration = __ENV.LOAD_DURATION || '30s';
const duplicateRate = Number(__ENV.LOAD_DUP_RATE || 0.3);
const eventsPerCall = Number(__ENV.LOAD_BATCH_SIZE || 100);
const topics = ['auth', 'payment', 'orders'];

const steady = (name, rate) => ({
  executor: 'constant-arrival-rate',
  exec: name,
  rate: Number(rate),
  timeUnit: '1s',
  duration,
  preAllocatedVUs: 20,
  maxVUs: 200,
});

export const options = {
  scenarios: {
    http: steady('publishOverHttp', __ENV.LOAD_HTTP_RATE || 200),
    grpc: steady('publishOverGrpc', __ENV.LOAD_GRPC_RATE || 20),
  },
  thresholds: { checks: ['rate==1'], http_req_failed: ['rate==0'] },
};

export function setup() {
  return { run: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}` };
}

const repeats = (turn) => Math.floor((turn + 1) * duplicateRate) > Math.floor(turn * duplicateRate);

/** A repeat is the nearest earlier event that is none, to the last byte. */
function eventOf(run, door, turn) {
  let original = turn;
  while (original > 0 && repeats(original)) original -= 1;
  return {
    topic: topics[original % topics.length],
    event_id: `${run}-${door}-${original}`,
    timestamp: new Date(Date.UTC(2026, 0, 1) + original).toISOString(),
    source: 'k6',
    payload: { turn: original, door },
  };
}

export function publishOverHttp({ run }) {
  const event = eventOf(run, 'http', exec.scenario.iterationInTest);
  const answer = http.post(`${httpUrl}/publish`, JSON.stringify(event), {
    headers: { 'content-type': 'application/json' },
  });
  check(answer, { 'HTTP takes it': ({ status }) => [200, 201, 202].includes(status) });
}

const client = new grpc.Client();
let connected = false;

export function publishOverGrpc({ run }) {
  if (!connected) {
    client.connect(gatewayAddress, { plaintext: true, reflect: true });
    connected = true;
  }
  const first = exec.scenario.iterationInTest * eventsPerCall;
  const events = Array.from({ length: eventsPerCall }, (_, index) => eventOf(run, 'grpc', first + index));
  const answer = client.invoke('eventsieve.v1.IngestService/Publish', { events, wait_for: 'WAIT_FOR_STORED' });
  check(answer, {
    'gRPC takes it': ({ status }) => status === grpc.StatusOK,
    'gRPC takes all of it': ({ message }) => message?.accepted + message?.duplicates === eventsPerCall,
  });
}

export function teardown() {
  for (let left = 60; left > 0 && http.get(`${httpUrl}/stats`).json('queue_size') > 0; left -= 1) sleep(1);
  const audit = http.get(`${httpUrl}/stats/reconcile`);
  check(audit, { 'every copy is accounted for': (answer) => answer.json('ok') === true });
  console.log(`audit: ${audit.body}`);
}
