#!/usr/bin/env node
import type { CommandContext } from './command.js';
import { runCommand } from './commands.js';
import { type Environment, readEnvironment } from './environment.js';
import { exitCodes } from './exit-codes.js';
import { interrupts } from './interrupts.js';
import { createOutput } from './output/output.js';

// A reader that goes away (`| head`) is no reason to complain.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const environment = readOrEnd();
const interrupted = interrupts();
const context: CommandContext = {
  ...createOutput(process, environment),
  environment,
  get interrupted() {
    return interrupted();
  },
};
process.exitCode = await runCommand(process.argv.slice(2), context);

function readOrEnd(): Environment {
  try {
    return readEnvironment();
  } catch (error) {
    process.stderr.write(`The .env file of this folder cannot be read: ${(error as Error).message}.\n`);
    process.exit(exitCodes.wrongUse);
  }
}
