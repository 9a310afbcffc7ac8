// The one command. Everything that is not the server or an agent is a client of the public API.

import { runCommand } from './program.ts';
import { systemShell } from './shell.ts';

process.exitCode = await runCommand(process.argv.slice(2), systemShell());
