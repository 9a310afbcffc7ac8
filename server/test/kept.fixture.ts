// For tests: what a node makes of the files that the server tells it, and whether this machine can seal what it keeps.

export { digestOfFiles } from '../../agent/src/inputs/cache.ts';
export { sealingSkipReason } from '../../agent/src/inputs/testing.ts';
