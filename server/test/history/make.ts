// Makes a folder of the history: `node bin/launch.cjs server/test/history/make.ts [NAME]` writes NAME.tar.gz beside itself (today's date), as the
// code that it stands in makes it. See README.md.

import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPackageIndex, packageWheel, pipWheel } from '../../src/modules/environments/package-index.fixture.ts';
import { openPlace } from '../child.fixture.ts';
import { fill, packaged } from './filling.ts';

const [, , name = new Date().toISOString().slice(0, 10)] = process.argv;
const file = join(import.meta.dirname, `${name}.tar.gz`);
const index = await openPackageIndex();
index.add(
  pipWheel(),
  packageWheel(packaged.name, packaged.version, {
    [`${packaged.name}/__init__.py`]: `made = ${JSON.stringify(name)}\n`,
  }),
);
const place = await openPlace({ embedded: true, settings: { environments: { index: index.url } } });
try {
  const child = await place.start();
  const facts = await fill(child, name);
  // For as long as a secret can live, so that the folder can be signed in to for years and not for months.
  const secret = await child.send(`/msgraph/v1.0/applications/${child.owner.objectId}/addPassword`, {
    method: 'POST',
    token: await child.token(child.owner, child.audience('graph')),
    body: { passwordCredential: { endDateTime: new Date(Date.now() + 729 * 86_400_000).toISOString() } },
  });
  const stopped = await child.terminate();
  if (stopped.code !== 0 || secret.status !== 200) throw new Error(`${stopped.output}\n${secret.text}`);
  const first = join(place.folder, 'first-start.json');
  const { application, ...told } = JSON.parse(await readFile(first, 'utf8'));
  await writeFile(
    first,
    JSON.stringify({ ...told, application: { ...application, clientSecret: secret.body.secretText } }, null, 2),
  );
  await writeFile(join(place.folder, 'facts.json'), JSON.stringify(facts, null, 2));
  // Without the reserve of disk space, which is 32 MiB of chance, and which every start makes anew.
  const parts = ['--exclude=data/reserve', '--owner=0', '--group=0', 'data', 'first-start.json', 'facts.json'];
  const packed = spawnSync('tar', ['-cf', '-', '-C', place.folder, ...parts], { maxBuffer: 2 ** 31 - 1 });
  const zipped = spawnSync('gzip', ['-9n'], { input: packed.stdout, maxBuffer: 2 ** 31 - 1 });
  if (packed.status !== 0 || zipped.status !== 0) throw new Error(`${packed.stderr}${zipped.stderr}`);
  await writeFile(file, zipped.stdout);
  process.stdout.write(`${file}: ${Math.ceil(zipped.stdout.length / 1024)} kB\n`);
} finally {
  await place.remove();
  index.close();
}
