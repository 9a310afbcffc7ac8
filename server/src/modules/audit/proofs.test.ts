// Proofs from tiles are those of RFC 6962 for every size, and an export verifies without the database.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree, verifyConsistency, verifyInclusion } from '#kernel/crypto/merkle';
import { openNote, parseVerifier } from '#kernel/crypto/signed-note';
import { closeScanPool, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { AuditTables } from './audit.store.ts';
import { verifyExport } from './index.ts';
import { consistencyHashes, inclusionHashes, prefixHashes } from './proofs.service.ts';
import { intentOf, openAudit } from './testing/fixture.ts';

after(() => closeScanPool());

async function collect(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

const count = 1_100; // four full tiles and a part

async function grown(t: TestContext, records = count) {
  const opened = await openAudit(t);
  for (let at = 0; at < records; at += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, records - at) }, () => opened.audit.trail.begin('access', intentOf())),
    );
  }
  await opened.audit.checkpointNow();
  const rows = await tables<AuditTables>(opened.database.read)
    .selectFrom('audit_records')
    .select('leaf')
    .orderBy('sequence')
    .execute();
  const leaves = rows.map(({ leaf }) => leaf);
  const rootAt = (size: number) => treeAt(size).root();
  const treeAt = (size: number) => {
    const tree = createTree();
    for (const leaf of leaves.slice(0, size)) tree.append(leaf);
    return tree;
  };
  return { ...opened, leaves, rootAt, treeAt };
}

const edges = [
  1,
  2,
  3,
  255,
  256,
  257,
  258,
  511,
  512,
  513,
  515,
  640,
  768,
  769,
  1_023,
  1_024,
  1_025,
  1_088,
  1_099,
  count,
];

test('inclusion verifies for records and sizes around every edge of a tile, and for any others', async (t) => {
  const { database, leaves, rootAt } = await grown(t);
  const holds = async (index: number, size: number) => {
    const proof = await inclusionHashes(database, index, size);
    const claim = { index, size, leaf: leaves[index] ?? new Uint8Array(), root: rootAt(size) };
    assert.ok(verifyInclusion(claim, proof), `record ${index} of ${size}`);
  };
  for (const size of edges) for (const edge of edges) if (edge <= size) await holds(edge - 1, size);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: count }), fc.nat(), (size, at) => holds(at % size, size)),
    { numRuns: 100 },
  );
});

test('consistency verifies between sizes around every edge of a tile, and between any others', async (t) => {
  const { database, rootAt } = await grown(t);
  const holds = async (oldSize: number, newSize: number) => {
    const proof = await consistencyHashes(database, oldSize, newSize);
    const claim = { oldSize, newSize, oldRoot: rootAt(oldSize), newRoot: rootAt(newSize) };
    assert.ok(verifyConsistency(claim, proof), `${oldSize} to ${newSize}`);
  };
  for (const newSize of edges) for (const oldSize of edges) if (oldSize <= newSize) await holds(oldSize, newSize);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: count }), fc.nat(), (size, at) => holds(1 + (at % size), size)),
    { numRuns: 100 },
  );
});

test('the hashes of a prefix are the state that an appender had there', async (t) => {
  const { database, treeAt } = await grown(t);
  for (const size of [0, ...edges]) {
    const hashes = await prefixHashes(database, size);
    assert.deepEqual(Buffer.concat(hashes), Buffer.concat(treeAt(size).state().hashes));
  }
});

test('the proofs of the service lead to a checkpoint that the key signed', async (t) => {
  const { audit, leaves } = await grown(t, 300);
  const proof = await audit.proveInclusion(123);
  const head = parseCheckpoint(openNote(proof.checkpoint ?? '', [parseVerifier(audit.verifierLine)]).text);
  assert.deepEqual([head.size, head.origin], [300, 'strongroom/test']);
  const hashes = proof.hashes.map((hash) => new Uint8Array(Buffer.from(hash, 'base64')));
  const leaf = leaves[123] ?? new Uint8Array();
  assert.ok(verifyInclusion({ index: 123, size: 300, leaf, root: head.rootHash }, hashes));
  await audit.trail.begin('access', intentOf());
  await assert.rejects(audit.proveInclusion(300), /within a minute/);
  await assert.rejects(audit.proveInclusion(5, 302), /holds 301 records/);
  await assert.rejects(audit.proveInclusion(5, 5), /does not reach/);
  await assert.rejects(audit.proveConsistency(0), /one record or more/);
  assert.equal((await audit.proveInclusion(300, 301)).checkpoint, undefined);
});

test('an export verifies offline, whole and in parts, and with any line changed it does not', async (t) => {
  const { audit } = await grown(t, 600);
  for (const range of [
    {},
    { from: 1 },
    { from: 255, to: 258 },
    { from: 256 },
    { from: 300, to: 599 },
    { from: 0, to: 1 },
  ]) {
    const lines = await collect(audit.export(range));
    const result = await verifyExport(lines, audit.verifier);
    assert.deepEqual(result, { from: 0, to: 600, ...range, size: 600 });
  }
  const lines = await collect(audit.export({ from: 250, to: 260 }));
  const broken = (error: unknown) => error instanceof Failure && error.kind === 'integrity';
  for (let at = 0; at < lines.length; at++) {
    await assert.rejects(verifyExport(lines.toSpliced(at, 1), audit.verifier), broken, `without line ${at + 1}`);
    const line = lines[at] ?? '';
    await assert.rejects(verifyExport(lines.with(at, line.replace(/Safe|\d{3}/, 'xxx')), audit.verifier), broken);
  }
  await assert.rejects(verifyExport([...lines, lines.at(-1) ?? ''], audit.verifier), broken);
  await assert.rejects(verifyExport([], audit.verifier), broken);
  const stranger = { ...audit.verifier, publicKey: new Uint8Array(32).fill(1) };
  await assert.rejects(verifyExport(lines, stranger), broken);
});

test('an export of what no checkpoint covers is refused', async (t) => {
  const { audit } = await openAudit(t);
  await assert.rejects(collect(audit.export()), /no checkpoint yet/);
  await audit.trail.begin('access', intentOf());
  await audit.checkpointNow();
  for (const range of [{ from: 1 }, { from: -1 }, { to: 2 }, { from: 0.5 }])
    await assert.rejects(collect(audit.export(range)), /A range begins/);
});
