// Signatures, signed notes and checkpoints, against published vectors and forged notes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { encodeCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { sha256 } from './digest.ts';
import { formatVerifier, noteKeyId, openNote, parseNote, parseVerifier, signNote } from './signed-note.ts';
import { generateSigningKey, importSigningKey, verifySignature } from './signing.ts';

const broken = { name: 'Failure', kind: 'integrity' };
const key = generateSigningKey();
const name = 'strongroom.example/audit';
const verifier = { name, publicKey: key.publicKey };
const checkpoint = { origin: name, size: 20_852_163, rootHash: sha256('root') };
const note = signNote(encodeCheckpoint(checkpoint), [{ name, key }]);

test('signing matches test 2 of RFC 8032, section 7.1', () => {
  const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
  const rfc = importSigningKey(Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'));
  assert.equal(
    Buffer.from(rfc.publicKey).toString('hex'),
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  );
  assert.equal(
    Buffer.from(rfc.sign(Uint8Array.of(0x72))).toString('hex'),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
});

test('an exported key signs as before, and other bytes are no key', () => {
  const again = importSigningKey(key.exportPkcs8());
  assert.deepEqual(again.publicKey, key.publicKey);
  const message = Buffer.from('message');
  assert.equal(verifySignature(key.publicKey, message, again.sign(message)), true);
  assert.throws(() => importSigningKey(Buffer.from('nonsense')), { kind: 'invalid' });
});

test('another message, key, signature or length does not verify and does not throw', () => {
  const message = Buffer.from('message');
  const signature = key.sign(message);
  assert.equal(verifySignature(key.publicKey, Buffer.from('massage'), signature), false);
  assert.equal(verifySignature(generateSigningKey().publicKey, message, signature), false);
  assert.equal(
    verifySignature(
      key.publicKey,
      message,
      signature.map((byte) => byte ^ 1),
    ),
    false,
  );
  assert.equal(verifySignature(key.publicKey, message, signature.subarray(1)), false);
  assert.equal(verifySignature(new Uint8Array(31), message, signature), false);
  assert.equal(verifySignature(new Uint8Array(32).fill(0xff), message, signature), false);
});

test('a note opens for who knows the key, and a checkpoint comes back', () => {
  const opened = openNote(note, [verifier]);
  assert.deepEqual(opened.signedBy, [name]);
  assert.deepEqual(parseCheckpoint(opened.text), checkpoint);
});

test('a published note opens under its published key', () => {
  // Example of the note format's Go implementation (golang.org/x/mod/sumdb/note).
  const line = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const published =
    'This is an example message.\n\n\u2014 example.com/foo ' +
    'Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
  const known = parseVerifier(line);
  assert.equal(formatVerifier(known), line);
  assert.equal(openNote(published, [known]).text, 'This is an example message.\n');
  assert.throws(() => openNote(published.replace('example m', 'exemple m'), [known]), broken);
});

test('lines of unknown keys are ignored, but alone they open nothing', () => {
  const witness = { name: 'witness.example', key: generateSigningKey() };
  const both = signNote(encodeCheckpoint(checkpoint), [witness, { name, key }]);
  assert.deepEqual(openNote(both, [verifier]).signedBy, [name]);
  assert.throws(() => openNote(both, []), broken);
  assert.throws(() => openNote(note, [{ name: witness.name, publicKey: key.publicKey }]), broken);
  assert.throws(() => openNote(note, [{ name, publicKey: witness.key.publicKey }]), broken);
});

test('a wrong signature of a known key refuses the note, even beside a good one', () => {
  const forged = Buffer.concat([noteKeyId(name, key.publicKey), new Uint8Array(64)]).toString('base64');
  assert.throws(() => openNote(`${note}\u2014 ${name} ${forged}\n`, [verifier]), broken);
});

test('text may hold empty lines and may look like signatures', () => {
  const text = `one\n\n\u2014 ${name} AAAA\n\nend\n`;
  const signed = signNote(text, [{ name, key }]);
  assert.equal(openNote(signed, [verifier]).text, text);
});

test('what is not a note is refused', () => {
  const bad = [
    '',
    '\n',
    'text\n',
    'text\n\n',
    'text\n\n\n',
    note.slice(0, -1),
    note.replace('\u2014', '-'),
    `${note}\n`,
  ];
  bad.push(note.replace('\n', '\r\n'), note.replace('\n', '\0\n'), note.replace(/=*\n$/, '\n'), note.repeat(65_536));
  for (const text of bad) assert.throws(() => openNote(text, [verifier]), broken, JSON.stringify(text.slice(0, 80)));
  for (const text of ['no newline', 'tab\t\n', '', '\ud800\n']) {
    assert.throws(() => signNote(text, [{ name, key }]), { kind: 'invalid' });
  }
  for (const wrong of ['', 'a b', 'a+b', 'a\u00a0b', 'a\nb']) {
    assert.throws(() => signNote('text\n', [{ name: wrong, key }]), { kind: 'invalid' });
  }
});

test('a verifier line whose id, type or key does not fit is refused', () => {
  const line = formatVerifier(verifier);
  const [, id = ''] = line.split('+');
  for (const bad of ['', name, line.replace(id, '00000000'), line.slice(0, -1), `x${line}`, line.replace('+A', '+B')]) {
    assert.throws(() => parseVerifier(bad), { kind: 'invalid' });
  }
});

test('a checkpoint has one spelling', () => {
  const text = encodeCheckpoint(checkpoint);
  const bad = [
    '',
    text.slice(0, -1),
    `${text}extension\n`,
    `${text}\n`,
    text.replace('20852163', '020852163'),
    text.replace('20852163', '-1'),
    text.replace('20852163', '1e3'),
    text.replace('20852163', '9999999999999999'),
    text.replace('20852163', ''),
    text.replace('=\n', '\n'),
    text.replace(name, ''),
    text.replaceAll('\n', '\r\n'),
  ];
  for (const one of bad) assert.throws(() => parseCheckpoint(one), broken, JSON.stringify(one));
  assert.throws(() => encodeCheckpoint({ ...checkpoint, origin: 'two\nlines' }), { kind: 'invalid' });
  assert.throws(() => encodeCheckpoint({ ...checkpoint, size: 1.5 }), { kind: 'invalid' });
  assert.throws(() => encodeCheckpoint({ ...checkpoint, rootHash: new Uint8Array(31) }), { kind: 'invalid' });
});

test('whatever is parsed is a note, a checkpoint or an integrity failure', () => {
  const mutated = fc
    .tuple(fc.nat(note.length), fc.nat(8), fc.string({ unit: 'binary', maxLength: 8 }))
    .map(([at, cut, text]) => note.slice(0, at) + text + note.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(mutated, fc.string({ unit: 'binary' })), (text) => {
      for (const parse of [parseNote, parseCheckpoint]) {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof Failure && error.kind === 'integrity');
        }
      }
      if (text !== note) assert.throws(() => openNote(text, [verifier]), broken);
    }),
    { numRuns: 2000 },
  );
});
