// The reader of the runner's reports, against bytes cut anywhere and bytes that are no reports.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createFrameReader, type Frame } from './frames.ts';

const frame = fc.oneof(
  fc.record({ stream: fc.constant('user'), text: fc.string({ unit: 'binary' }) }),
  fc.record({ event: fc.string(), exitCode: fc.integer() }),
);

/** Splits bytes at the given places, in order. */
function pieces(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe('the frame reader', () => {
  it('reads the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat()), (frames, cuts) => {
        const seen: Frame[] = [];
        const read = createFrameReader((one) => seen.push(one));
        const bytes = Buffer.from(frames.map((one) => `${JSON.stringify(one)}\n`).join(''));
        for (const piece of pieces(bytes, cuts)) read(piece);
        assert.deepEqual(
          seen.map((one) => (one.kind === 'output' ? { stream: 'user', text: one.text } : one.event)),
          JSON.parse(JSON.stringify(frames)),
        );
      }),
    );
  });

  it('throws on everything else, and never calls it a frame', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const line = Buffer.from(bytes).toString('utf8').replaceAll('\n', ' ');
          if (/"(event|stream)"/.test(line)) return;
          assert.throws(() => createFrameReader(() => assert.fail())(Buffer.from(`${line}\n`)));
        },
      ),
    );
  });

  it('does not hoard a line without an end', () => {
    const read = createFrameReader(() => undefined);
    assert.throws(() => {
      for (let i = 0; i < 100; i += 1) read(Buffer.alloc(65_536, 'x'));
    }, /too long/);
  });
});
