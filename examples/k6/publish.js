// Loads the HTTP bridge with single events, of which 30 % repeat one that was answered before, and checks every verdict.
// Run: k6 run publish.js, or with --vus 50 --duration 1m. TARGET_URL is http://127.0.0.1:8080 unless set.
import { check } from 'k6';
import { randomBytes } from 'k6/crypto';
import http from 'k6/http';
import { Counter } from 'k6/metrics';

const url = `${(__ENV.TARGET_URL || 'http://127.0.0.1:8080').replace(/\/?(publish\/?)?$/, '')}/publish`;
const repeatRate = 0.3;
const stored = new Counter('events_stored');
const duplicates = new Counter('events_duplicate');

export const options = {
  vus: 20,
  duration: '20s',
  thresholds: {
    // A wrong verdict is a wrong count. A refusal (429, 503) is none; it shows in http_req_failed.
    checks: ['rate==1'],
    http_req_failed: ['rate<0.01'],
    http_req_duration: ['p(95)<1000'],
  },
};
// Here 409 would be a duplicate of a server with DUPLICATE_STATUS=409.
http.setResponseCallback(http.expectedStatuses(200, 201, 202, 409));

// Of this virtual user alone: nobody else repeats what is in it.
const sent = [];
const maxSent = 1000;

function randomId() {
  return Array.from(new Uint8Array(randomBytes(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function newEvent() {
  const timestamp = new Date().toISOString();
  return JSON.stringify({ topic: 'k6', event_id: randomId(), timestamp, source: 'k6-example', payload: { vu: __VU } });
}

export default function publish() {
  // Three of ten, evenly: 3, 6 and 9 of 0 to 9.
  const isRepeat = Math.floor((__ITER + 1) * repeatRate) > Math.floor(__ITER * repeatRate) && sent.length > 0;
  const body = isRepeat ? sent[Math.floor(Math.random() * sent.length)] : newEvent();
  const response = http.post(url, body, { headers: { 'content-type': 'application/json' } });
  if (response.status === 0 || response.status === 429 || response.status >= 500) return;

  const { outcome } = response.json('results.0') || {};
  // accepted: cannot be lost, but the verdict was not known in time.
  check(outcome, {
    'the verdict is right': (told) => told === (isRepeat ? 'duplicate' : 'stored') || told === 'accepted',
  });
  if (outcome === 'stored') stored.add(1);
  if (outcome === 'duplicate') duplicates.add(1);
  if (!isRepeat) sent[sent.length < maxSent ? sent.length : Math.floor(Math.random() * maxSent)] = body;
}
