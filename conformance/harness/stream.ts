// Seals or opens standard input, for the suite that holds our streams to Tink's implementation of the same format.
//   node harness/stream.ts seal|open SEGMENT_BYTES KEY_HEX ASSOCIATED_DATA_HEX

import { pipeline } from 'node:stream/promises';
import { createStreamAead } from '../../server/src/kernel/crypto/stream-aead.ts';

const [what, segmentBytes, key = '', associatedData = ''] = process.argv.slice(2);
const { sealStream, openStream } = createStreamAead(Number(segmentBytes));
const through = what === 'seal' ? sealStream : openStream;
try {
  const transform = through({ bytes: Buffer.from(key, 'hex') }, Buffer.from(associatedData, 'hex'));
  await pipeline(process.stdin, transform, process.stdout);
} catch (thrown) {
  process.stderr.write(`${String(thrown)}\n`);
  process.exitCode = 1;
}
