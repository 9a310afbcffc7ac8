// For tests: the server as a process of its own, as the command line runs it. Arguments: a configuration file and the file
// that the first start writes.

import { runServer } from '../src/main.ts';

// Somebody sets the clock of the machine: by a message, for this process alone. The times of sleeping are of another clock.
const RealDate = Date;
let shiftMs = 0;
globalThis.Date = class extends RealDate {
  constructor(...given: readonly unknown[]) {
    // A date of now, or whichever was asked for: the real constructor knows.
    super(...((given.length === 0 ? [RealDate.now() + shiftMs] : given) as [number]));
  }
  static override now = (): number => RealDate.now() + shiftMs;
} as DateConstructor;
process.on('message', (wanted: { readonly shiftMs: number }) => {
  shiftMs = wanted.shiftMs;
  process.send?.({ shiftMs });
});
process.channel?.unref();

const [, , configFile, bootstrapFile] = process.argv;
try {
  process.exit(await runServer({ configFile, flags: {}, bootstrapFile }));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
