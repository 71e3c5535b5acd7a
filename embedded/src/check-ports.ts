import { portProblem } from './free-port.js';

export interface WantedPort {
  host: string;
  /** 0: any free one, so there is nothing to check */
  port: number;
  variable: string;
}

/** Before anything is started: one sentence is worth more than the stack trace of a service that could not listen. */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
  const seen = new Map<number, string>();
  for (const { host, port, variable } of wanted) {
    if (port === 0) continue;
    const other = seen.get(port);
    if (other !== undefined)
      throw new Error(`${other} and ${variable} are both ${port}: set one of them to another port.`);
    seen.set(port, variable);
    const problem = await portProblem(host, port);
    if (problem !== undefined) throw new Error(sentence(problem, host, port, variable));
  }
}

function sentence(problem: string, host: string, port: number, variable: string): string {
  if (problem === 'EADDRINUSE') return `Port ${port} on ${host} is taken: stop what uses it, or set ${variable}.`;
  if (problem === 'EACCES') return `Port ${port} may not be used by this user: set ${variable} to one above 1023.`;
  if (problem === 'EADDRNOTAVAIL' || problem === 'ENOTFOUND') return `BIND_HOST is ${host}, which is no address here.`;
  return `Port ${port} on ${host} cannot be used (${problem}): set ${variable}.`;
}
