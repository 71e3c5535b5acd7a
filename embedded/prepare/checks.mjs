import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './run-command.mjs';

/** Every check in order, the first failing one ends it; resolves with the exit code. */
export async function runChecks(root, vitestArgs) {
  const node = (file, ...args) => [process.execPath, [join(root, file), ...args]];
  const tool = (name, ...args) => [join(root, 'node_modules/.bin', name), args];
  const checks = [
    ['generated code is current', node('packages/contract/generate.mjs', '--check')],
    ['API definition is clean (buf lint)', tool('buf', 'lint')],
    [
      'API has no breaking change (buf breaking)',
      tool('buf', 'breaking', 'proto', '--against', 'packages/contract/released.binpb'),
    ],
    ['format and lint (biome)', tool('biome', 'check', '.')],
    ...(existsSync(join(root, 'tsconfig.tests.json'))
      ? [['types of tests (tsc)', tool('tsc', '-p', 'tsconfig.tests.json')]]
      : []),
  ];
  for (const [name, [command, args]] of checks) {
    const started = Date.now();
    const { code, output } = await runCommand(command, args, { cwd: root });
    if (code === 0) {
      say(`ok      ${name} (${seconds(started)})`);
      continue;
    }
    say(output);
    say(`failed  ${name} (${seconds(started)}, exit code ${code})`);
    say('0 passed, 1 failed');
    return 1;
  }
  return runTests(root, vitestArgs, tool('vitest', 'run', ...vitestArgs));
}

async function runTests(root, vitestArgs, [command, args]) {
  const started = Date.now();
  // Where vitest.config.ts has the report written; an argument --reporter would replace that one.
  const results = join(root, 'node_modules/.cache/vitest.json');
  rmSync(results, { force: true });
  const own = vitestArgs.some((arg) => arg.startsWith('--reporter'));
  const json = own ? ['--reporter=json', `--outputFile.json=${results}`] : [];
  const { code } = await runCommand(command, [...args, ...json], { cwd: root, show: true });
  say(`${code === 0 ? 'ok    ' : 'failed'}  tests (${seconds(started)})`);
  say(countLine(results, code));
  return code;
}

/** For machines that read: alone on the last line. A run that failed never has `0 failed`. */
function countLine(results, code) {
  let passed = 0;
  let failed = 0;
  try {
    const report = JSON.parse(readFileSync(results, 'utf8'));
    passed = report.numPassedTests;
    failed = report.numFailedTests;
  } catch {
    // vitest ended before it could write it
  }
  return `${passed} passed, ${code === 0 ? failed : Math.max(1, failed)} failed`;
}

const say = (line) => process.stdout.write(`${line}\n`);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
