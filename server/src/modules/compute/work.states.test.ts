// The table itself: nothing follows an end, everything that lives can end and is reached, and a holder is needed for what only
// a holder may say.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  after,
  endStates,
  heldStates,
  liveStates,
  ofHolder,
  type Transition,
  transitions,
} from './work.states.rules.ts';
import type { WorkState } from './work.types.ts';

const all = Object.keys(transitions) as Transition[]; // the keys of the table
const states = [...liveStates, ...endStates];

describe('the states of work', () => {
  it('are these, and nothing follows an end', () => {
    assert.deepEqual(liveStates, ['queued', 'leased', 'running']);
    assert.deepEqual(endStates, ['finished', 'lost']);
    assert.deepEqual(heldStates, ['leased', 'running']);
    for (const state of endStates) for (const transition of all) assert.equal(after(state, transition), undefined);
  });

  it('are all reached from the queue, and all can end', () => {
    const next = (state: WorkState) => all.flatMap((transition) => after(state, transition) ?? []);
    const reached = (from: WorkState, seen: Set<WorkState> = new Set()): Set<WorkState> => {
      for (const state of next(from)) if (!seen.has(state)) reached(state, seen.add(state));
      return seen;
    };
    assert.deepEqual([...reached('queued')].sort(), [...states].sort());
    for (const state of liveStates)
      assert.ok(
        [...reached(state)].some((one) => endStates.includes(one)),
        state,
      );
  });

  it('change by a holder alone once somebody holds it', () => {
    for (const state of heldStates)
      for (const transition of all)
        if (after(state, transition) !== undefined) assert.ok(ofHolder.has(transition), transition);
    for (const transition of all)
      if (after('queued', transition) !== undefined) assert.ok(!ofHolder.has(transition), transition);
  });
});
