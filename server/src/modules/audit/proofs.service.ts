// Proofs from stored tiles. A tile is 256 leaves; the tree over leaves is the tree over tile roots, because RFC 6962 splits
// at powers of two. So a proof reads one tile of leaves and one hash per 256 records, instead of the whole log.

import { createTree, type LeafReader, proveConsistency, proveInclusion } from '#kernel/crypto/merkle';
import type { Database } from '#kernel/database/database';
import { readLeaves, scanTiles } from './audit.store.ts';
import { leavesPerTile } from './tiles.rules.ts';

/** The hashes that lead from record `index` to the root of the first `size` records. */
export async function inclusionHashes(database: Database, index: number, size: number): Promise<readonly Uint8Array[]> {
  const tile = tileOf(index, size);
  const inside = await proveInclusion(leavesIn(database, tile.start), index - tile.start, tile.end - tile.start);
  const above = await proveInclusion(tilesOf(database, size), tile.number, Math.ceil(size / leavesPerTile));
  return [...inside, ...above];
}

/** The hashes that show the first `from` records to begin the first `to`; 1 ≤ from ≤ to. */
export async function consistencyHashes(database: Database, from: number, to: number): Promise<readonly Uint8Array[]> {
  const tilesTo = Math.ceil(to / leavesPerTile);
  if (from === to) return [];
  if (from % leavesPerTile === 0) return await proveConsistency(tilesOf(database, to), from / leavesPerTile, tilesTo);
  // The old tree ends inside a tile. Down to that tile the way is the way to any leaf of it.
  const tile = tileOf(from, to);
  const leaves = leavesIn(database, tile.start);
  const old = from - tile.start;
  const inside = [...(await proveConsistency(leaves, old, tile.end - tile.start))];
  // Within the first tile the verifier knows the old root. In a later one it knows it only together with what lies left of
  // it, and a proof that never turned right leaves out the root of the old part: it is put in front.
  const isLeftOut = old === tile.end - tile.start || Number.isInteger(Math.log2(old));
  if (tile.number > 0 && isLeftOut) inside.unshift(await rootOf(leaves, old));
  return [...inside, ...(await proveInclusion(tilesOf(database, to), tile.number, tilesTo))];
}

/** The roots of the perfect subtrees of the first `size` records: from them an appender goes on. */
export async function prefixHashes(database: Database, size: number): Promise<readonly Uint8Array[]> {
  const full = Math.floor(size / leavesPerTile);
  const above = await treeOf(tilesOf(database, full * leavesPerTile), full);
  const inside = await treeOf(leavesIn(database, full * leavesPerTile), size % leavesPerTile);
  return [...above.state().hashes, ...inside.state().hashes];
}

function tileOf(index: number, size: number) {
  const number = Math.floor(index / leavesPerTile);
  return { number, start: number * leavesPerTile, end: Math.min(size, (number + 1) * leavesPerTile) };
}

const leavesIn =
  (database: Database, start: number): LeafReader =>
  (from, to) =>
    readLeaves(database.read, start + from, start + to);

/** Tile roots of the first `size` records as leaves; the last one is of a tile that may not be full. */
function tilesOf(database: Database, size: number): LeafReader {
  const full = Math.floor(size / leavesPerTile);
  return async (from, to) => {
    const roots = await scanTiles(database, from, Math.min(to, full));
    if (to <= full) return roots;
    return [...roots, await rootOf(leavesIn(database, full * leavesPerTile), size - full * leavesPerTile)];
  };
}

const rootOf = async (read: LeafReader, size: number) => (await treeOf(read, size)).root();

async function treeOf(read: LeafReader, size: number) {
  const tree = createTree();
  const most = 1_024;
  for (let from = 0; from < size; from += most)
    for (const leaf of await read(from, Math.min(size, from + most))) tree.append(leaf);
  return tree;
}
