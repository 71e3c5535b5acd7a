import { readFileSync } from 'node:fs';
import { root } from './compose-file.js';

export interface Step {
  readonly instruction: string;
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  /** An image, or the name of an earlier stage. */
  readonly from: string;
  readonly steps: readonly Step[];
}

export const dockerfileText = readFileSync(`${root}Dockerfile`, 'utf8');

export const stages: readonly Stage[] = parseStages(dockerfileText);

export function stageOf(name: string): Stage {
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
  return stage;
}

/** The last value of an instruction that the stage, or one that it stands on, gives. */
export function settingOf(stage: Stage, instruction: string): string | undefined {
  const own = stage.steps.filter((step) => step.instruction === instruction).at(-1)?.text;
  const parent = stages.find(({ name }) => name === stage.from);
  return own ?? (parent === undefined ? undefined : settingOf(parent, instruction));
}

/** `COPY [--from=stage] source… destination` */
export function copyOf(step: Step) {
  const words = step.text.split(/\s+/);
  const flags = words.filter((word) => word.startsWith('--'));
  const paths = words.filter((word) => !word.startsWith('--'));
  const from = flags.find((flag) => flag.startsWith('--from='))?.slice('--from='.length);
  if (flags.length > (from === undefined ? 0 : 1)) throw new Error(`flags that nobody replays: ${step.text}`);
  return { from, sources: paths.slice(0, -1), destination: paths.at(-1) ?? '' };
}

function parseStages(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n');
  const found: { name: string; from: string; steps: Step[] }[] = [];
  for (const line of lines) {
    const [, instruction = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    const stage = /^(\S+)\s+AS\s+(\S+)$/.exec(rest);
    if (instruction === 'FROM' && stage) found.push({ from: stage[1] ?? '', name: stage[2] ?? '', steps: [] });
    else if (instruction === 'FROM' || instruction === '') throw new Error(`not understood: ${line}`);
    else found.at(-1)?.steps.push({ instruction, text: rest.trim() });
  }
  return found;
}
