// For tests: the server as a process of its own, as the command line runs it. Arguments: a configuration file and the file
// that the first start writes.

import { runServer } from '../src/main.ts';

const [, , configFile, bootstrapFile] = process.argv;
try {
  process.exit(await runServer({ configFile, flags: {}, bootstrapFile }));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
