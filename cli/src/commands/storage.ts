// Blobs of a storage account, over Azure's blob protocol.

import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { blobOrigin } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import { blobCall, escaped, type ListedBlob, listBlobs } from '../blobs.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { type Act, type Given, leaf } from '../given.ts';
import { changing, listing } from '../options.ts';
import { at } from '../output.ts';

export function storageCommands(storage: Command, act: Act): void {
  const blob = storage.command('blob').description('blobs of a storage account');
  const located = (command: Command) =>
    command
      .requiredOption('--account-name <account>', 'the storage account')
      .requiredOption('-c, --container-name <container>', 'the container');
  const containerOf = (context: Context, given: Given) =>
    `${blobOrigin(context.url, given.needed('accountName', '--account-name NAME'))}/${escaped(given.needed('containerName', '--container-name NAME'))}`;

  located(
    leaf(
      blob,
      'upload',
      changing('server'),
      'send a file',
      'storage blob upload --account-name stdemo -c data -f iris.csv',
    ),
  )
    .requiredOption('-f, --file <file>', 'the file')
    .option('-n, --name <name>', 'the name of the blob (of the file)')
    .action(
      act(async (context, given) => {
        const file = given.needed('file', '-f FILE');
        const stat = statSync(file, { throwIfNoEntry: false });
        if (!stat?.isFile()) throw new UsageError(`There is no file ${file}.`);
        const name = given.text('name') ?? basename(file);
        await context.progress(`sending ${file}`, () =>
          context.client.send('PUT', `${containerOf(context, given)}/${escaped(name)}`, {
            ...blobCall,
            headers: { ...blobCall.headers, 'x-ms-blob-type': 'BlockBlob', 'content-length': String(stat.size) },
            body: stat.size === 0 ? new Uint8Array() : createReadStream(file),
          }),
        );
        context.say(`${name} is stored, ${stat.size} bytes.`, { name, bytes: stat.size });
      }),
    );
  located(
    leaf(
      blob,
      'download',
      changing('server'),
      'fetch a blob',
      'storage blob download --account-name stdemo -c data -n iris.csv -f iris.csv',
    ),
  )
    .requiredOption('-n, --name <name>', 'the name of the blob')
    .requiredOption('-f, --file <file>', 'where to write it; it must not be there yet')
    .action(
      act(async (context, given) => {
        const file = given.needed('file', '-f FILE');
        const name = given.needed('name', '-n NAME');
        const answer = await context.client.send('GET', `${containerOf(context, given)}/${escaped(name)}`, blobCall);
        await context.progress(`fetching ${file}`, () =>
          pipeline(Readable.from(answer.body), createWriteStream(file, { flags: 'wx', mode: 0o600 })),
        );
        const { size } = statSync(file);
        context.say(`${name} is in ${file}, ${size} bytes.`, { file, bytes: size });
      }),
    );
  located(
    leaf(
      blob,
      'list',
      listing('server'),
      'list the blobs of a container',
      'storage blob list --account-name stdemo -c data',
    ),
  )
    .option('--prefix <text>', 'only names that begin with this')
    .action(
      act(async (context, given) => {
        const found: ListedBlob[] = [];
        for await (const one of listBlobs(context.client, containerOf(context, given), given.text('prefix')))
          found.push(one);
        context.list(found, { name: at('name'), bytes: at('bytes'), modified: at('modified') });
      }),
    );
}
