// One more blob of sealed files that are there, and what their bytes are: how content is kept a second time, by its digest, without
// being read or written. A digest is of one version, and goes with it: what is written over a name has a digest of its own or none.

import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { sha256OfPieces } from '#kernel/crypto/digest-thread';
import { randomUuid } from '#kernel/crypto/random';
import type { Tx } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Accounts } from './accounts.service.ts';
import type { BlobInfo } from './blobs.store.ts';
import * as store from './blobs.store.ts';
import { endStaging } from './blocks.store.ts';
import { newEtag, requireContainer } from './containers.service.ts';
import * as loose from './loose.store.ts';
import { requireBlobName, requireContainerName } from './names.rules.ts';
import type { OpenedAccount, OpenedAccounts } from './opened-accounts.service.ts';
import { openRange } from './reading.service.ts';
import { type BlobRef, requireScope } from './scopes.rules.ts';
import { type InWork, settle } from './upkeep.service.ts';

/** A blob as it was when somebody looked. */
export type SeenBlob = BlobRef & { readonly etag: string };

export type Sharing = {
  /**
   * One more blob of the same sealed files, in the same account: nothing is read and nothing written but rows. Each is as any other from
   * then on, and what becomes of one does not touch the other. Undefined, and nothing is done: the source is not of this ETag any more.
   */
  share(
    grants: { readonly read: Grant; readonly write: Grant },
    from: SeenBlob,
    to: BlobRef,
  ): Promise<BlobInfo | undefined>;
  /**
   * The SHA-256 of the content, hexadecimal, as its write found it. Of a blob of blocks, and of one of an older release, it is read once, and
   * remembered for as long as the blob is not written anew. Undefined: the blob is not of this ETag any more.
   */
  digest(grant: Grant, from: SeenBlob): Promise<string | undefined>;
};

export function createSharing(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly clock: Clock;
  readonly inWork: InWork;
}): Sharing {
  const { accounts, opened, clock, inWork } = deps;

  function requireReach(grant: Grant, ref: BlobRef): void {
    requireBlobName(ref.name);
    requireContainerName(ref.container);
    requireScope(grant, ref, ref.name);
  }

  /** The rows of one write: the next parts of the source from `start`, and with the last of them the blob. */
  async function step(tx: Tx, from: SeenBlob, to: BlobRef, { version, start }: { version: string; start: number }) {
    await requireContainer(tx, from.container);
    await requireContainer(tx, to.container);
    const source = await store.findBlob(tx, from.container, from.name);
    if (source === undefined || source.info.etag !== from.etag) return { is: 'other' } as const;
    const { size } = source.info;
    const page = { start, end: Math.max(0, size - 1), limit: loose.rowsAtOnce };
    const parts = await store.listParts(tx, source.version, page);
    const sealedAs = { container: from.container, name: from.name };
    await store.insertParts(
      tx,
      version,
      parts.map((part) => ({ ...part, blockId: undefined, sealedAs: part.sealedAs ?? sealedAs })),
    );
    const last = parts.at(-1);
    const next = last === undefined ? size : last.start + last.size;
    if (next < size) {
      await loose.markLoose(tx, [version]);
      return { is: 'ahead', next } as const;
    }
    const before = await store.findBlob(tx, to.container, to.name);
    const now = clock.now();
    const info = { ...source.info, name: to.name, etag: newEtag(), createdAt: now, lastModified: now };
    await store.putBlob(tx, to.container, { version, info });
    await loose.unmarkLoose(tx, [version]);
    const staging = await endStaging(tx, to.container, to.name);
    const gone = [before?.version, staging].filter((id) => id !== undefined);
    return { is: 'made', info, dropped: await loose.drop(tx, gone) } as const;
  }

  /** What has many parts is written ahead, some a transaction, below a version that no blob has yet, as block lists are. */
  async function share(account: OpenedAccount, from: SeenBlob, to: BlobRef): Promise<BlobInfo | undefined> {
    const { index, sealed } = account;
    const version = randomUuid();
    const giveUp = () => settle(index, sealed, { files: [], left: [version] });
    let start = 0;
    inWork.add(version);
    try {
      for (;;) {
        const taken = await index.write((tx) => step(tx, from, to, { version, start }), { rows: loose.rowsAtOnce });
        if (taken.is === 'made') {
          await settle(index, sealed, taken.dropped);
          return taken.info;
        }
        if (taken.is === 'other') {
          if (start > 0) await giveUp();
          return undefined;
        }
        start = taken.next;
      }
    } catch (thrown) {
      if (start > 0) await giveUp();
      throw thrown;
    } finally {
      inWork.delete(version);
    }
  }

  return {
    async share(grants, from, to) {
      requireReach(grants.read, from);
      if (idKey(from.account) !== idKey(to.account)) return undefined;
      requireReach(grants.write, to);
      return await opened.use(accounts.byId(to.account), (account) => share(account, from, to));
    },
    async digest(grant, from) {
      requireReach(grant, from);
      return await opened.use(accounts.byId(from.account), async (account) => {
        const { container, name, etag } = from;
        const known = await store.findBlob(account.index.read, container, name);
        if (known?.info.etag !== etag) return undefined;
        if (known.info.sha256 !== undefined) return known.info.sha256;
        const { info, version, stream } = await openRange(account, from, undefined);
        if (info.etag !== etag) {
          stream.destroy();
          return undefined;
        }
        const sha256 = await sha256OfPieces(stream);
        // order matters: of the version that was read, which may have been written over meanwhile.
        await account.index.write((tx) => store.rememberDigest(tx, container, name, { version, sha256 }));
        return sha256;
      });
    },
  };
}
