// The way of events to the server: order, repetition, gathering, and what happens when there is more than can be sent.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentLimits } from '@strongroom/contract/agent';
import { createOutbox, type NumberedEvent, piecesOf } from './outbox.ts';

const output = (text: string) => ({ type: 'output', text }) as const;
const refusal = (status: number) => new Error('no', { cause: { status, code: 'No' } });

/** An outbox whose batches a test answers one by one. */
function open() {
  const batches: { readonly events: readonly NumberedEvent[]; ok: () => void; fail: (error: Error) => void }[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const holds: boolean[] = [];
  let refused = 0;
  const outbox = createOutbox({
    send: (events) =>
      new Promise<void>((resolve, reject) => {
        batches.push({ events, ok: resolve, fail: reject });
        for (const { count, resolve: seen } of waiting) if (batches.length >= count) seen();
      }),
    hold: (held) => void holds.push(held),
    refused: () => {
      refused += 1;
    },
  });
  const batch = async (count: number) => {
    if (batches.length < count) await new Promise<void>((resolve) => void waiting.push({ count, resolve }));
    const found = batches[count - 1];
    assert.ok(found);
    return found;
  };
  return { outbox, batches, batch, holds, refusals: () => refused };
}

const textOf = (events: readonly NumberedEvent[]) =>
  events.map(({ event }) => (event.type === 'output' ? event.text : `<${event.type}>`)).join('');

describe('the outbox of an item', () => {
  it('sends the first at once and gathers what comes while it is on its way', async () => {
    const { outbox, batches, batch } = open();
    outbox.push(output('a'));
    assert.equal(batches.length, 1);
    for (const text of ['b', 'c', 'd']) outbox.push(output(text));
    outbox.push({ type: 'finished', reason: 'exited', exitCode: 0 });
    assert.equal(batches.length, 1);
    (await batch(1)).ok();
    const second = await batch(2);
    assert.equal(textOf(second.events), 'bcd<finished>');
    assert.deepEqual(
      second.events.map(({ seq }) => seq),
      [2, 3],
    );
    second.ok();
    await outbox.drained();
    assert.equal(batches.length, 2);
  });

  it('sends the same again, unchanged, until it is taken', async () => {
    const { outbox, batch } = open();
    outbox.push(output('a'));
    const first = await batch(1);
    outbox.push(output('b'));
    first.fail(new Error('connection lost'));
    const second = await batch(2);
    assert.deepEqual(second.events, first.events);
    second.fail(refusal(503));
    const third = await batch(3);
    assert.deepEqual(third.events, first.events);
    third.ok();
    const fourth = await batch(4);
    assert.equal(textOf(fourth.events), 'b');
    fourth.ok();
    await outbox.drained();
  });

  it('gives up, and says so once, when the server wants no more', async () => {
    const { outbox, batches, batch, refusals } = open();
    outbox.push(output('a'));
    (await batch(1)).fail(refusal(409));
    await outbox.drained();
    outbox.push(output('b'));
    assert.equal(refusals(), 1);
    assert.equal(batches.length, 1);
  });

  it('makes the producer wait when too much is kept, and lets it go on', async () => {
    const { outbox, batch, holds } = open();
    const piece = 'x'.repeat(agentLimits.outputBytes);
    for (let count = 0; count < 80; count++) outbox.push(output(piece));
    assert.deepEqual(holds, [true]);
    let sent = 0;
    for (let count = 1; sent < 80; count++) {
      const { events, ok } = await batch(count);
      assert.ok(textOf(events).length <= agentLimits.textOfBatchBytes);
      sent += events.length;
      ok();
    }
    await outbox.drained();
    assert.deepEqual(holds, [true, false]);
  });

  it('lets a waiting producer go when it is abandoned', async () => {
    const { outbox, holds } = open();
    for (let count = 0; count < 80; count++) outbox.push(output('x'.repeat(agentLimits.outputBytes)));
    outbox.abandon();
    await outbox.drained();
    assert.deepEqual(holds, [true, false]);
  });

  it('cuts long text into pieces that fit, and no character in two', () => {
    const text = '€😀'.repeat(50_000);
    const pieces = piecesOf(text);
    assert.equal(pieces.join(''), text);
    for (const piece of pieces) {
      assert.ok(Buffer.byteLength(piece) <= agentLimits.outputBytes);
      assert.ok(piece.isWellFormed());
    }
  });
});
