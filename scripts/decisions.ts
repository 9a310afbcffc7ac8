// Each decision of docs/adr has a number of its own, in its name and in its title: two that were written at the same time take the same.

import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../docs/adr/', import.meta.url);
const wrong: string[] = [];
const byNumber = new Map<number, string>();
for (const name of readdirSync(folder).filter((each) => each.endsWith('.md') && each !== 'README.md')) {
  const number = Number(/^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1]);
  const [title = ''] = readFileSync(new URL(name, folder), 'utf8').split('\n');
  const other = byNumber.get(number);
  if (!title.startsWith(`# ${number}. `)) wrong.push(`docs/adr/${name} begins with '${title.slice(0, 40)}'`);
  if (other !== undefined) wrong.push(`docs/adr/${name} has the number of ${other}`);
  byNumber.set(number, name);
}
for (const each of wrong) process.stdout.write(`${each}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
