#!/usr/bin/env node
import type { CommandContext } from './command.js';
import { runCommand } from './commands.js';
import { readEnvironment } from './environment.js';
import { interrupts } from './interrupts.js';
import { createOutput } from './output/output.js';

// A reader that goes away (`| head`) is no reason to complain.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const environment = readEnvironment();
const interrupted = interrupts();
const context: CommandContext = {
  ...createOutput(process, environment),
  environment,
  get interrupted() {
    return interrupted();
  },
};
process.exitCode = await runCommand(process.argv.slice(2), context);
