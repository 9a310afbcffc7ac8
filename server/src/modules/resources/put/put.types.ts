// What a PUT knows, step by step: each step is given what those before it found, and adds to it.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import type { Draft, Properties, Resource, ResourceKind } from '../kind.types.ts';
import type { Operation } from '../operations.store.ts';

export type How = {
  /** Waits until a long-running one is done, and throws what it failed with. */
  readonly wait: boolean;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** Of a DELETE, as `removeQuery` has it. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** `properties` as this caller is shown them, which may be sent back; as everybody is shown them when left out. */
  readonly shown?: (kind: ResourceKind, existing: Resource) => Properties;
};

/** A PUT's body is there; a PATCH's is made of what exists. */
export type BodyFor = (existing: Resource | undefined, kind: ResourceKind) => unknown;

export type Asked = { readonly grant: Grant; readonly id: string; readonly bodyFor: BodyFor; readonly how: How };

export type Named = Asked & {
  readonly kind: ResourceKind;
  /** The id, spelled as ids are, its last name, and its type. */
  readonly parsed: { readonly id: string; readonly name: string; readonly type: string };
};

/** `parent` in the casing that it was made with. */
export type Placed = Named & { readonly parent: string };

export type Found = Placed & {
  readonly home: Database;
  /** With the id and the name that it was made with. */
  readonly at: { readonly id: string; readonly name: string };
  readonly existing: Resource | undefined;
  /** It is replaced. One whose creation failed was never there: it is made again, under the same unique id. */
  readonly replaces: Resource | undefined;
};

export type Drafted = Found & { readonly draft: Draft };

export type Ruled = Drafted & { readonly properties: Properties };

/** Its row is stored, and nothing stands behind it yet. */
export type Rowed = Ruled & {
  readonly resource: Resource;
  readonly isPlain: boolean;
  readonly operation: Operation | undefined;
};

export type Put = {
  readonly resource: Resource;
  readonly created: boolean;
  readonly operation: Operation | undefined;
};
