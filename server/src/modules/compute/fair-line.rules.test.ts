import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFairLine, type FairLine, inOrder, type Turn, type Waiting } from './fair-line.rules.ts';

type Work = Waiting & { readonly sinceMs: number };
const maker = () => {
  let number = 0;
  return (submitter: string, place = 'cpu', sinceMs = number): Work => {
    number += 1;
    return { place, submitter, number, sinceMs };
  };
};
const takeAll = <T extends Waiting>(line: FairLine<T>, most = Number.POSITIVE_INFINITY): readonly T[] => {
  const taken: T[] = [];
  line.take(most, (item) => {
    taken.push(item);
    return 'taken';
  });
  return taken;
};
const who = (items: readonly Waiting[]) => items.map(({ submitter }) => submitter).join('');

test('a thousand of one do not stand before one of another, and what is of one stays in its order', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  for (let i = 0; i < 1_000; i += 1) line.add(work('a'));
  line.add(work('b'));
  line.add(work('c'));
  line.add(work('c'));
  const taken = takeAll(line);
  assert.equal(who(taken.slice(0, 7)), 'abcacaa');
  const ofA = taken.filter(({ submitter }) => submitter === 'a').map(({ number }) => number);
  assert.deepEqual(
    ofA,
    [...ofA].sort((x, y) => x - y),
  );
  assert.equal(taken.length, 1_003);
});

test('whoever comes again and again keeps nobody waiting', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  for (let i = 0; i < 3; i += 1) line.add(work('b'));
  let taken = '';
  for (let i = 0; i < 6; i += 1) {
    line.add(work('a'));
    taken += who(takeAll(line, 1));
  }
  assert.equal(taken, 'bababa');
});

test('clusters take turns as well, and a full one holds up no other', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  for (let i = 0; i < 3; i += 1) line.add(work('a', 'one'));
  for (let i = 0; i < 3; i += 1) line.add(work('b', 'two'));
  assert.equal(who(takeAll(line, 4)), 'abab');
  const offered: string[] = [];
  line.take(9, (item) => {
    offered.push(item.place);
    return item.place === 'one' ? 'full' : 'taken';
  });
  assert.deepEqual(offered, ['one', 'two']);
});

test('a full cluster is asked once however much waits for it', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  for (let i = 0; i < 1_000; i += 1) line.add(work(`${i % 50}`));
  let asked = 0;
  line.take(16, () => {
    asked += 1;
    return 'full';
  });
  assert.equal(asked, 1);
});

test('what had its turn in vain is next again, in its order', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  for (const submitter of ['a', 'a', 'a', 'b']) line.add(work(submitter));
  const taken = takeAll(line, 3);
  assert.equal(who(taken), 'aba');
  for (const item of taken) line.putBack(item);
  const again = takeAll(line);
  assert.deepEqual(
    again.filter(({ submitter }) => submitter === 'a').map(({ number }) => number),
    [1, 2, 3],
  );
  assert.equal(again.length, 4);
});

test('what was taken out is not offered, nor counted', () => {
  const [line, work] = [createFairLine<Work>(), maker()];
  const [first, second] = [work('a'), work('a')];
  line.add(first);
  line.add(second);
  line.remove(first);
  line.remove(first);
  assert.equal(line.count('cpu'), 1);
  assert.deepEqual(takeAll(line), [second]);
  assert.deepEqual([line.count('cpu'), line.count('none')], [0, 0]);
});

test('a start at any moment goes on with the turns that there were, where nobody took anything back', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'add', 'take'),
    submitter: fc.constantFrom('a', 'b', 'c'),
    place: fc.constantFrom('one', 'two'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [line, work] = [createFairLine<Work>(), maker()];
      const [waiting, turns] = [new Set<Work>(), [] as Turn[]];
      steps.forEach(({ what, submitter, place }, now) => {
        if (what === 'add') {
          const item = work(submitter, place, now);
          waiting.add(item);
          line.add(item);
        } else {
          for (const item of takeAll(line, 1)) {
            waiting.delete(item);
            turns.push({ place: item.place, submitter: item.submitter, atMs: now });
          }
        }
      });
      const restored = createFairLine<Work>();
      for (const item of inOrder([...waiting], turns)) restored.add(item);
      assert.deepEqual(takeAll(restored), takeAll(line));
    }),
    { numRuns: 500 },
  );
});
