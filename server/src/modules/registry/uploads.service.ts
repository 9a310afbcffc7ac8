// Uploads that come in pieces. A session lives in memory and ends with the server; its pieces are sealed files that no index
// knows, so that the sweep after a crash removes them. Bounded in number, in pieces, in bytes and in time, and it belongs to
// whoever began it. The digest is computed over what was stored, before any repository reaches it.

import type { Readable } from 'node:stream';
import { registryLimits } from '@strongroom/contract/registry';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Part } from '#storage';
import {
  type Content,
  commit,
  digestOf,
  discardUnreferenced,
  type Stored,
  sizeOf,
  writePart,
} from './content.service.ts';
import { requireDigest } from './names.rules.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { type RepositoryRef, repositoryScope } from './scopes.rules.ts';

export type Upload = { readonly id: string; readonly size: number };

/** What a chunk says of itself: where it begins and ends in the blob, inclusive. */
export type ChunkRange = { readonly start: number; readonly end: number };

export type Uploads = {
  begin(grant: Grant, ref: RepositoryRef): Promise<Upload>;
  status(grant: Grant, ref: RepositoryRef, id: string): Promise<Upload>;
  /** Throws `rangeNotSatisfiable` for a chunk that does not go on where the last one ended. */
  append(grant: Grant, ref: RepositoryRef, id: string, source: Readable, range?: ChunkRange): Promise<Upload>;
  /** The session ends with it; what has another digest is thrown away. Cut off before that, it can be sent again. */
  finish(
    grant: Grant,
    ref: RepositoryRef,
    id: string,
    source: Readable,
    digest: string,
    range?: ChunkRange,
  ): Promise<Stored>;
  cancel(grant: Grant, ref: RepositoryRef, id: string): Promise<void>;
  /** Ends what was left for too long. */
  sweep(): Promise<void>;
};

type Session = {
  readonly id: string;
  readonly scope: string;
  /** Of the registry: one that was made anew under the same id is another. */
  readonly uniqueId: string;
  readonly objectId: string;
  readonly grant: Grant;
  readonly ref: RepositoryRef;
  readonly parts: Part[];
  /** SHA-256 of the only piece, while there is one only. */
  sha256: string | undefined;
  isBusy: boolean;
  touchedMs: number;
};

/**
 * `perCaller`, and as long as there is room for others: nobody holds more than half of what he leaves free. So a few who hold what
 * they may never keep out who holds nothing.
 */
export const uploadLimits = { sessions: 500, perCaller: 100, pieces: 10_000, idleMs: 60 * 60 * 1000 } as const;

export function createUploads(deps: {
  readonly registries: Registries;
  readonly content: Content;
  readonly clock: Clock;
}): Uploads {
  const { registries, content, clock } = deps;
  const sessions = new Map<string, Session>();

  function sessionOf(grant: Grant, ref: RepositoryRef, id: string): Session {
    const session = sessions.get(id);
    // Another repository's session and another caller's are as unknown as one that never was.
    if (
      session?.scope !== repositoryScope(ref) ||
      session.uniqueId !== registries.find(ref.registry)?.uniqueId ||
      session.objectId !== grant.actor.objectId
    )
      throw registryFailures.BLOB_UPLOAD_UNKNOWN();
    session.touchedMs = clock.epochMs();
    return session;
  }

  /** One request at a time: pieces have an order. */
  async function alone<R>(session: Session, act: () => Promise<R>): Promise<R> {
    if (session.isBusy) throw registryFailures.uploadBusy();
    session.isBusy = true;
    try {
      return await act();
    } finally {
      session.isBusy = false;
      session.touchedMs = clock.epochMs();
    }
  }

  async function add(grant: Grant, session: Session, source: Readable, range: ChunkRange | undefined): Promise<void> {
    const start = sizeOf(session.parts);
    if (range !== undefined && range.start !== start) throw registryFailures.uploadElsewhere(start, rangeOf(start));
    if (session.parts.length >= uploadLimits.pieces) throw registryFailures.uploadInPieces(uploadLimits.pieces);
    await content.within(grant, session.ref, async (opened) => {
      const written = await writePart(opened, source, { start, maxBytes: registryLimits.blobBytes - start });
      const size = sizeOf(written.parts);
      if (range !== undefined && size !== range.end - range.start + 1) {
        await discardUnreferenced(opened, written.parts);
        throw registryFailures.chunkSize();
      }
      if (size === 0) return;
      session.sha256 = session.parts.length === 0 ? written.sha256 : undefined;
      session.parts.push(...written.parts);
    });
  }

  async function drop(session: Session): Promise<void> {
    sessions.delete(session.id);
    // When the key is refused the files wait for the sweep; nothing can read them.
    await content
      .within(session.grant, session.ref, (opened) => discardUnreferenced(opened, session.parts))
      .catch(() => {});
  }

  async function sweep(): Promise<void> {
    const before = clock.epochMs() - uploadLimits.idleMs;
    for (const session of [...sessions.values()])
      if (!session.isBusy && session.touchedMs < before) await drop(session);
  }

  return {
    sweep,
    async begin(grant, ref) {
      await sweep();
      const { objectId } = grant.actor;
      // Refused here and not at the first piece: the key, the name, a registry that is gone.
      await content.within(grant, ref, async () => {});
      // order matters: counted and taken without a wait in between.
      const mine = [...sessions.values()].filter((session) => session.objectId === objectId).length;
      const free = uploadLimits.sessions - sessions.size;
      if (free === 0 || mine >= uploadLimits.perCaller || mine > free / 2)
        throw registryFailures.TOOMANYREQUESTS({
          message: 'Too many uploads are open. Finish or cancel some and try again.',
        });
      const id = randomUuid();
      const touchedMs = clock.epochMs();
      sessions.set(id, {
        ...{ id, scope: repositoryScope(ref), uniqueId: registries.byId(ref.registry).uniqueId },
        ...{ objectId, grant, ref, parts: [] },
        ...{ sha256: undefined, isBusy: false, touchedMs },
      });
      return { id, size: 0 };
    },
    async status(grant, ref, id) {
      return { id, size: sizeOf(sessionOf(grant, ref, id).parts) };
    },
    async append(grant, ref, id, source, range) {
      try {
        const session = sessionOf(grant, ref, id);
        await alone(session, () => add(grant, session, source, range));
        return { id, size: sizeOf(session.parts) };
      } catch (thrown) {
        source.destroy();
        throw thrown;
      }
    },
    async finish(grant, ref, id, source, digest, range) {
      try {
        requireDigest(digest);
        const session = sessionOf(grant, ref, id);
        return await alone(session, async () => {
          await add(grant, session, source, range);
          return await content.within(grant, ref, async (opened) => {
            const actual =
              session.sha256 === undefined ? await digestOf(opened, session.parts) : `sha256:${session.sha256}`;
            if (actual !== digest) {
              await drop(session);
              throw registryFailures.DIGEST_INVALID();
            }
            const stored = await commit(opened, ref, digest, session.parts, clock.epochMs());
            sessions.delete(id);
            return stored;
          });
        });
      } catch (thrown) {
        source.destroy();
        throw thrown;
      }
    },
    async cancel(grant, ref, id) {
      const session = sessionOf(grant, ref, id);
      await alone(session, () => drop(session));
    },
  };
}

/** What has arrived, as the protocol says it; it has no word for nothing, and clients read `0-0`. */
export const rangeOf = (size: number): string => `0-${Math.max(0, size - 1)}`;
