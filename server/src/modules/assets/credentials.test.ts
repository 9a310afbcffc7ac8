import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { credentialScanner, findCredential } from './credentials.ts';

const pem = ['-----BEGIN', 'RSA PRIVATE KEY-----'].join(' ');

test('credentials are recognised, ordinary text is not', () => {
  for (const text of [
    pem,
    `AKIA${'A'.repeat(16)}`,
    `DefaultEndpointsProtocol=https;AccountKey=${'a'.repeat(86)}==`,
    `?sv=1&sig=${'a'.repeat(44)}`,
    `ghp_${'a'.repeat(36)}`,
  ]) {
    assert.ok(findCredential(text), text.slice(0, 20));
  }
  for (const text of ['print("hello")', 'PRIVATE KEY', 'AKIA', 'lr=0.3', 'eyJhbGciOi', 'a'.repeat(100_000)])
    assert.equal(findCredential(text), undefined);
});

test('a file is passed on unchanged while it is looked at, also where a credential lies across two pieces', async () => {
  let found: string | undefined;
  const scanner = credentialScanner((what) => {
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
  // Linear reading of seven mebibytes takes a tenth of a second; what backtracks took a second for each.
  assert.ok(process.cpuUsage(started).user < 1_500_000);
});
