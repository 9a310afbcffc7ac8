import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { ownPiece, releasePiece } from '#kernel/bytes/pieces';
import { credentialScanner, findCredential, findNamedCredential, findWrittenCredential } from './credentials.ts';

const pem = ['-----BEGIN', 'RSA PRIVATE KEY-----'].join(' ');

// Put together here, so that nobody who looks for credentials finds this file.
const letters = (count: number) => 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7'.repeat(8).slice(0, count);
const hex = (count: number) => '0123456789abcdef'.repeat(8).slice(0, count);
const tokens: readonly string[] = [
  pem,
  ['-----BEGIN', 'OPENSSH PRIVATE KEY-----'].join(' '),
  `AKIA${'A'.repeat(16)}`,
  `aws_secret_access_key = ${letters(40)}`,
  `DefaultEndpointsProtocol=https;AccountName=a;${'AccountKey'}=${'a'.repeat(86)}==`,
  `Endpoint=sb://x/;SharedAccessKeyName=n;${'SharedAccessKey'}=${letters(43)}=`,
  `https://a.blob/c?sv=1&sig=${'a'.repeat(44)}`,
  `abc8Q~${letters(34)}`,
  `${letters(76)}AZDO${letters(4)}`,
  `ghp_${'a'.repeat(36)}`,
  `github_pat_${letters(40)}`,
  `glpat-${letters(20)}`,
  `xoxb-${letters(24)}`,
  `https://hooks.slack.com/services/T${hex(9)}/B${hex(9)}/${letters(24)}`,
  `AIza${letters(35)}`,
  `GOCSPX-${letters(28)}`,
  `sk_live_${letters(24)}`,
  `SG.${letters(22)}.${letters(43)}`,
  `SK${hex(32)}`,
  `sk-${letters(48)}`,
  `sk-proj-${letters(60)}`,
  `sk-ant-api03-${letters(40)}`,
  `hf_${letters(34)}`,
  `npm_${letters(36)}`,
  `pypi-AgEIcHlwaS5vcmc${letters(40)}`,
  `dapi${hex(32)}`,
  `dop_v1_${hex(64)}`,
  `shpat_${hex(32)}`,
  `hvs.${letters(24)}`,
  `eyJ${letters(20)}.eyJ${letters(20)}.${letters(20)}`,
  // The shortest that libraries make.
  `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${letters(43)}`,
];
const writtenOnes: readonly string[] = [
  'postgresql://user:pass1234@host/x',
  'https://:secret1@host.example/path',
  'Server=db;Database=x;User Id=u;Password=hunter2;',
  'python3 train.py --password hunter2',
  `python3 train.py --api-key=${letters(20)}`,
  `curl -H "Authorization: Bearer ${letters(30)}" https://x`,
];

test('tokens of well-known services and keys are recognised in any text', () => {
  for (const text of tokens)
    for (const around of [text, `x ${text} y`, `"${text}"`]) assert.ok(findCredential(around), text.slice(0, 24));
});

test('what is written into a resource is looked at for passwords too, and a name is a hint', () => {
  for (const text of [...tokens, ...writtenOnes]) assert.ok(findWrittenCredential(text), text.slice(0, 24));
  for (const [name, value] of [
    ['DB_PASSWORD', 'hunter2'],
    ['dbPassword', 'hunter2'],
    ['PGPASSWORD', 'geheim'],
    ['client_secret', 'mellon'],
    ['WANDB_API_KEY', hex(40)],
    ['HF_TOKEN', letters(20)],
    ['apiKey', letters(20)],
    ['AZURE_CREDENTIALS', `${letters(8)}${letters(20)}`],
  ] as const)
    assert.ok(findNamedCredential(name, value), name);
});

test('ordinary values are no credentials', () => {
  for (const text of [
    ...['print("hello")', 'PRIVATE KEY', 'AKIA', 'lr=0.3', 'eyJhbGciOi', 'a'.repeat(100_000), hex(64), hex(40)],
    'python train.py --learning-rate 0.1 --data $data && ls -la outputs; echo "a: b@c"',
    'azureml://datastores/workspaceblobstore/paths/LocalUpload/0123456789abcdef0123456789abcdef/data',
    '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg/providers/Microsoft.X/y/z',
    'mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest',
    'name: env\nchannels: [conda-forge]\ndependencies:\n  - python=3.10\n  - pip:\n    - scikit-learn==1.2.2',
    'https://host.example:8443/path?query=a@b',
    'git@github.com:owner/name.git',
    'python run.py --token-type bert --tokenizer sk-learn-classification-of-long-texts-v1',
    'postgresql://user:$PASSWORD@host/x and Password=$(cat /run/x);',
    'A model of the passwords that people choose; password: see the vault.',
    'AccountName=a;Container=c',
  ])
    assert.equal(findWrittenCredential(text), undefined, text.slice(0, 40));
  for (const [name, value] of [
    ['DB_PASSWORD', ''],
    ['DB_PASSWORD', '$DB_PASSWORD'],
    ['DB_PASSWORD_FILE', '/run/secrets/db'],
    ['DB_PASSWORD', '/run/secrets/db'],
    ['USE_PASSWORD', 'true'],
    ['PAD_TOKEN', '<pad>'],
    ['EOS_TOKEN', '</s>'],
    ['MAX_TOKENS', '4096'],
    ['TOKENIZERS_PARALLELISM', 'false'],
    ['SECRET_NAME', 'db-password'],
    ['API_KEY', 'dev'],
    ['KEY', 'customer_id'],
    ['primary_key', 'customer_id_0000000001'],
    ['monkey', 'banana12345678901'],
    ['team', 'secret'],
  ] as const)
    assert.equal(findNamedCredential(name, value), undefined, name);
});

async function scan(path: string, text: string): Promise<string | undefined> {
  let found: string | undefined;
  const scanner = credentialScanner(path, (what) => {
    found = what;
  });
  for await (const _ of Readable.from([Buffer.from(text)]).pipe(scanner));
  return found;
}

test('what lies where a file is divided is found as anywhere else, and nothing is found that is not there', async () => {
  const border = 16 * 1024;
  for (const text of [...tokens, 'see ftp://user:pass1234@host/x'])
    for (const before of [border - text.length + 1, border - (text.length >> 1), border - 1, border, border + 1])
      assert.ok(await scan('x.txt', `${' '.repeat(before - 1)} ${text} and more`), `${text.slice(0, 24)} at ${before}`);
  const long = `eyJ${'a'.repeat(400)}.eyJ${'b'.repeat(4000)}.${letters(20)}`;
  for (const before of [border - 4_400, border - 2_000, border - 1])
    assert.equal(await scan('x.txt', `${' '.repeat(before)}${long}`), 'a JSON web token');
  // Begins in the middle of a word, which is no beginning.
  for (const inner of [`eyJ${letters(20)}.eyJ${letters(20)}.${letters(20)}`, `hf_${letters(34)}`])
    for (const before of [border - 1, border, border + 1])
      assert.equal(await scan('x.txt', `${' '.repeat(before - 1)}x${inner}`), undefined);
});

test('others get their turn while a mebibyte is looked through, of settings too', async () => {
  for (const [path, text] of [
    ['x.txt', 'a'.repeat(1024 * 1024)],
    ['.env', `NAME=${'a'.repeat(4_000)}\n`.repeat(260)],
  ] as const) {
    let turns = 0;
    let isLooking = true;
    const tick = () => {
      turns += 1;
      if (isLooking) setImmediate(tick);
    };
    setImmediate(tick);
    assert.equal(await scan(path, text), undefined);
    isLooking = false;
    assert.ok(turns > (path === '.env' ? 100 : 60), `${path}: ${turns}`);
  }
});

test('a file of settings is read by its names, other files by their shapes alone', async () => {
  for (const path of ['.env', 'a/.env.local', 'prod.env', '.npmrc'])
    assert.ok(await scan(path, '# settings\nLEVEL=3\nexport DB_PASSWORD="hunter2"\n'), path);
  assert.equal(await scan('.env', 'LEVEL=3\nDB_PASSWORD=\nDB_PASSWORD=$X\n'), undefined);
  assert.equal(await scan('train.py', 'password = "hunter2"\nparser.add_argument("--password", "x y z")\n'), undefined);
  assert.ok(await scan('train.py', 'engine = connect("postgresql://user:pass1234@host/x")'));
});

test('a file is passed on unchanged while it is looked at, also where a credential lies across two pieces', async () => {
  let found: string | undefined;
  const scanner = credentialScanner('x.py', (what) => {
    found = what;
  });
  const parts: Buffer[] = [];
  for await (const part of Readable.from([
    Buffer.from(`x = 1\n${pem.slice(0, 15)}`),
    Buffer.from(`${pem.slice(15)}\nrest`),
  ]).pipe(scanner))
    parts.push(part as Buffer);
  assert.equal(Buffer.concat(parts).toString(), `x = 1\n${pem}\nrest`);
  assert.equal(found, 'a private key');
});

test('hostile text does not make the search slow', () => {
  const started = process.cpuUsage();
  for (const text of [
    'eyJ'.repeat(300_000),
    `${'eyJ'}${'a'.repeat(900_000)}.`,
    '-----BEGIN '.repeat(90_000),
    'sig='.repeat(250_000),
    '8Q~'.repeat(300_000),
  ])
    findCredential(text);
  // Not a time limit of the product: only that it is no catastrophe, which would take minutes.
  assert.ok(process.cpuUsage(started).user < 30_000_000);
});

test('a file made to be slow is read as fast as any', () => {
  const mebibyte = 1024 * 1024;
  const header = '-eyJ'.repeat(100);
  const hostile = [
    '-eyJ',
    `${header}.eyJ${'a-eyJ'.repeat(800)}`,
    `${header}.eyJ${'-'.repeat(4100)}`,
    `.eyJ${'a'.repeat(10)}`,
    '8Q~',
    '?sig=',
    '-----BEGIN A',
  ];
  const started = process.cpuUsage();
  for (const piece of hostile)
    assert.equal(findCredential(piece.repeat(Math.floor(mebibyte / piece.length))), undefined);
  // Linear reading takes a tenth of a second for each mebibyte; what backtracks takes a second and more.
  assert.ok(process.cpuUsage(started).user < 4_000_000);
});

test('a value made to be slow is read as fast as any', () => {
  const bytes = 256 * 1024;
  const hostile = [
    'a://',
    'a:a:',
    'a://a:',
    ' --token ',
    ' --token=a',
    '--a-a-password',
    ' pwd =',
    '=pwd    ',
    'a.',
    'authorization: ',
    '-token',
    '_password',
  ];
  const started = process.cpuUsage();
  for (const piece of hostile) {
    const text = piece.repeat(Math.floor(bytes / piece.length));
    findWrittenCredential(text);
    findNamedCredential(text, text);
  }
  assert.ok(process.cpuUsage(started).user < 6_000_000);
});

test('a credential is found in pieces whose memory goes back before the file is looked through', async () => {
  const found: string[] = [];
  const secret = Buffer.from(`aws_secret_access_key = "${letters(40)}"`);
  const content = Buffer.alloc(300_000, 'x\n');
  secret.copy(content, 140_000);
  const pieces = [0, 1, 2].map((n) => ownPiece(Buffer.from(content.subarray(n * 100_000, (n + 1) * 100_000))));
  const scanner = credentialScanner('train.py', (what) => found.push(what));
  for await (const piece of Readable.from(pieces, { objectMode: false }).pipe(scanner)) releasePiece(piece as Buffer);
  assert.deepEqual(found, ['an AWS secret key']);
});
