import { Agent, request } from 'node:http';
import { fill, httpTemplate } from './events.js';
import type { LoadPlan } from './plan.js';
import type { Answer, Door } from './run-load.js';

export function openHttpDoor(plan: LoadPlan): Door {
  const template = httpTemplate(plan.batch, plan.ids);
  const agent = new Agent({ keepAlive: true, maxSockets: plan.connections });
  const url = new URL(plan.stored ? '/publish?wait=stored' : '/publish?wait=broker', plan.target);
  return {
    send: (_lane, next) => post(url, agent, fill(template, next)),
    close: () => agent.destroy(),
  };
}

function post(url: URL, agent: Agent, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const sending = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === undefined || response.statusCode >= 300)
          return reject(new Error(`${response.statusCode}: ${text}`));
        resolve({ received: numberIn(text, 'received'), duplicates: numberIn(text, 'duplicates') });
      });
    });
    sending.on('error', reject);
    sending.end(body);
  });
}

/** The first of that name: the whole is what comes first in the body. */
const numberIn = (text: string, name: string) => Number(new RegExp(`"${name}":(\\d+)`).exec(text)?.[1] ?? 0);
