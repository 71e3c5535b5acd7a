import { EventsieveError } from '@eventsieve/client';
import { expect, test } from 'vitest';
import { type Command, type CommandContext, Interruption } from './command.js';
import { commands, runCommand } from './commands.js';
import { defineCommand } from './define-command.js';
import { dispatch } from './dispatch.js';
import { paintFor } from './output/paint.js';

function contextOf(interrupted = new AbortController().signal) {
  const said: string[] = [];
  const complained: string[] = [];
  const context: CommandContext = {
    environment: {},
    say: (line) => void said.push(...line.split('\n')),
    complain: (line) => void complained.push(...line.split('\n')),
    ready: async () => undefined,
    isTerminal: false,
    complainsToTerminal: false,
    columns: () => 80,
    paint: paintFor(false),
    live: () => ({ show: () => undefined, end: () => undefined }),
    interrupted,
  };
  return { context, said, complained };
}

async function ran(...args: string[]) {
  const { context, said, complained } = contextOf();
  return { code: await runCommand(args, context), said, complained };
}

/** Each command that does something, with the words that lead to it. */
const leaves = commands.flatMap((command): [string, Command][] =>
  command.commands === undefined
    ? [[command.name, command]]
    : command.commands.map((each) => [`${command.name} ${each.name}`, each]),
);

test.each(leaves)(
  '%s --help has a line for each flag and examples that use no other, and fits a terminal',
  async (name, { flags = [] }) => {
    const { code, said } = await ran(...name.split(' '), '--help');
    expect(code).toBe(0);
    expect(said[0]).toContain(`eventsieve ${name}`);
    expect(said.filter((line) => line.length > 120)).toEqual([]);
    for (const flag of flags) {
      const lines = said.filter((line) => new RegExp(`^ {2}--${flag.name}(?: |$)`).test(line));
      expect(lines, flag.name).toHaveLength(1);
      if (flag.variable !== undefined) expect(said.join(' ')).toContain(`(${flag.variable}`);
    }
    const examples = said.filter((line) => /^ +(?:.*\| |until )?eventsieve /.test(line)).join('\n');
    const used = [...examples.matchAll(/ --([a-z][a-z-]*)/g)].map(([, flag]) => flag);
    const known = flags.map((flag) => flag.name);
    expect(used.filter((flag) => !known.includes(flag ?? ''))).toEqual([]);
  },
);

test('the overview lists every command and says what exit codes mean', async () => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, said } = await ran(...args);
    expect(code).toBe(0);
    for (const { name, summary } of commands) expect(said.join('\n')).toMatch(new RegExp(`\n  ${name} +${summary}\n`));
    expect(said.join('\n')).toContain('Exit codes: 0 done, 1 failed');
  }
  expect((await ran('help', 'tail')).said).toEqual((await ran('tail', '--help')).said);
  expect((await ran('help', 'dead-letters', 'show')).said).toEqual((await ran('dead-letters', 'show', '-h')).said);
  expect((await ran('--version')).said).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+/)]);
});

test.each([
  [['tial'], 'tial is not a command, did you mean tail? eventsieve --help lists them.'],
  [['frobnicate'], 'frobnicate is not a command; eventsieve --help lists them.'],
  [
    ['dead-letters', 'rdrive'],
    'rdrive is not a command, did you mean redrive? eventsieve dead-letters --help lists them.',
  ],
  [['tail', '--topci', 'a'], '--topci is not a flag here, did you mean --topic? --help lists the flags.'],
  [['get', 'topic'], '<event-id> is missing; --help says more.'],
  [
    ['tail', '--from', 'then'],
    '--from is "then", but must be now, start, a time such as 2024-05-01T12:00:00Z or 15m, or a cursor.',
  ],
  [['events', '--all', '--limit', '3'], '--all and --limit exclude each other.'],
  [['events', '--to', 'soon'], '--to is "soon", but must be a time such as 2024-05-01T12:00:00Z, 2024-05-01 or 15m.'],
  [
    ['events', '--to', '2024-13-01'],
    '--to is "2024-13-01", but must be a time such as 2024-05-01T12:00:00Z, 2024-05-01 or 15m.',
  ],
  [
    ['events', '--received-to', '2024-02-31'],
    'INVALID_ARGUMENT: --received-to must be a Date or an ISO 8601 date and time, such as 2024-05-01T12:00:00Z',
  ],
  [['stats', '--from', '1h'], '--from and --to go with --step.'],
  [['stats', '--step', '1h', '--watch'], '--step and --watch exclude each other.'],
  [['stats', '--step', '1h', '--by', 'topic'], '--step and --by exclude each other.'],
  [['stats', '--topic', 'a', '--by', 'topic'], '--topic goes with --step or --by source.'],
  [['stats', '--interval', '1s'], '--interval goes with --watch.'],
  [['dead-letters', 'show', 'one'], '"one" is no dead letter\'s id: ids are whole numbers, as the list has them.'],
  [
    ['events', '--query', 'far.example:1', '--api-key', 'k'],
    'INVALID_ARGUMENT: --api-key would travel to far.example:50051 for everybody to read: switch on tls',
  ],
  [['completion', 'ksh'], '<shell> is "ksh", but must be bash, zsh or fish.'],
])('%j is refused in one line, with exit code 2', async (args, line) => {
  expect(await ran(...args)).toEqual({ code: 2, said: [], complained: [line] });
});

test('without a command the overview is complained', async () => {
  const { code, said, complained } = await ran();
  expect({ code, said }).toEqual({ code: 2, said: [] });
  expect(complained[0]).toBe('eventsieve <command> [flags]');
});

const failing = (error: unknown) =>
  defineCommand({
    name: 'fail',
    summary: '',
    flags: [{ name: 'received-from', meaning: '' }],
    examples: [],
    run: () => Promise.reject(error),
  });

const errorOf = (code: EventsieveError['code'], message: string, fields: EventsieveError['fields'] = []) =>
  new EventsieveError({ name: 'EventsieveError', code, message, fields } as ConstructorParameters<
    typeof EventsieveError
  >[0]);

test.each([
  [errorOf('UNAVAILABLE', 'q:1 cannot be reached'), 3, 'UNAVAILABLE: q:1 cannot be reached'],
  [errorOf('DEADLINE_EXCEEDED', 'too slow'), 3, 'DEADLINE_EXCEEDED: too slow'],
  [errorOf('NOT_FOUND', 'none'), 1, 'NOT_FOUND: none'],
  [errorOf('INTERNAL', 'two\n  lines'), 1, 'INTERNAL: two lines'],
  [
    errorOf('INVALID_ARGUMENT', 'received_from: is wrong', [{ field: 'received_from', message: 'is wrong' }]),
    2,
    'INVALID_ARGUMENT: --received-from is wrong',
  ],
  [
    errorOf('INVALID_ARGUMENT', 'events[1].topic: is wrong', [{ index: 1, field: 'topic', message: 'is wrong' }]),
    2,
    'INVALID_ARGUMENT: events[1].topic: is wrong',
  ],
  [new Error('a bug\nin two lines'), 1, 'a bug in two lines'],
  [new Interruption('SIGINT'), 130, undefined],
  [new Interruption('SIGTERM'), 143, undefined],
  [Object.assign(new Error('aborted', { cause: new Interruption('SIGINT') }), { name: 'AbortError' }), 130, undefined],
])('%s ends a command with exit code %i and one line', async (error, code, line) => {
  const { context, complained } = contextOf();
  expect(await dispatch('eventsieve', [failing(error)], '', ['fail'], context)).toBe(code);
  expect(complained).toEqual(line === undefined ? [] : [line]);
});
