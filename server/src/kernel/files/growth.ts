// What grows, for those who cannot see the request that makes it grow: while a request that needs room is acted on, whatever it
// calls may ask. Deletions, and what the server does by itself, are not asked whether there is room for them.

import { AsyncLocalStorage } from 'node:async_hooks';

const storage = new AsyncLocalStorage<true>();

/** Runs `act` as what stores something that stays. */
export const growing = <R>(act: () => R): R => storage.run(true, act);

/** Runs `act` as what the server does by itself, whoever caused it. */
export const notGrowing = <R>(act: () => R): R => storage.exit(act);

export const isGrowing = (): boolean => storage.getStore() === true;
