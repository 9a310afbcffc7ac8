// The cache of inputs, in each place that a node can have for it.

import { tmpdir } from 'node:os';
import { skipReason } from '../sandbox/testing.ts';
import { inputCacheContract } from './cache.contract.ts';
import { openDeclared, openSealed } from './place.ts';
import { sealingSkipReason } from './testing.ts';

const prefix = 'strongroom-test-';
const sealing = skipReason || (await sealingSkipReason(tmpdir()));

inputCacheContract('sealed by the node', sealing, (parent, bytes) => openSealed({ parent, prefix, bytes }));
inputCacheContract('on a disk that the operator has encrypted', skipReason, async (parent, bytes) =>
  openDeclared({ parent, prefix, bytes }),
);
