#!/usr/bin/env node
import { runCommand } from './commands.js';
import { readEnvironment } from './environment.js';

// A reader that goes away (`| head`) is no reason to complain.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await runCommand(process.argv.slice(2), {
  environment: readEnvironment(),
  say: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
});
