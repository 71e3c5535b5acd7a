import { parseArgs } from 'node:util';

/** A command for those who work on this repository. */
export interface Tool<Options> {
  readonly help: string;
  /** Undefined when only the help is wanted. A wrong flag is an Error with one sentence. */
  readonly read: (args: readonly string[]) => Options | undefined;
  /** Resolves with the exit code. */
  readonly run: (options: Options) => Promise<number>;
  /** What to say of a failure that `run` did not foresee. */
  readonly explain?: (error: Error) => string | undefined;
}

const wrongFlags = 2;

/** Ends the process: with 2 for wrong flags, with 1 when it failed. */
export async function runTool<Options>({ help, read, run, explain }: Tool<Options>): Promise<never> {
  let options: Options | undefined;
  try {
    options = read(process.argv.slice(2));
  } catch (error) {
    complain((error as Error).message);
    process.exit(wrongFlags);
  }
  if (options === undefined) {
    process.stdout.write(`${help.trimEnd()}\n`);
    process.exit(0);
  }
  const code = await run(options).catch((error: Error) => {
    complain(explain?.(error) ?? error.message);
    return 1;
  });
  process.exit(code);
}

const complain = (line: string) => void process.stderr.write(`${line}\n`);

type Flags = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>;
type Values<T extends Flags> = { readonly [Name in keyof T]?: T[Name]['type'] extends 'string' ? string : boolean };

/** What parseArgs reads; what it refuses, in one sentence. */
export function parseFlags<const T extends Flags>(args: readonly string[], options: T): Values<T> {
  try {
    return parseArgs({ args: [...args], options }).values as Values<T>;
  } catch (error) {
    // Node's advice follows its first sentence.
    const [sentence = ''] = (error as Error).message.split(/\.\s|\n/);
    throw new Error(`${sentence}; --help lists the flags.`);
  }
}
