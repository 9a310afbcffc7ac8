// The door of connections: the kind of what a workspace knows of services outside. Nothing else here uses them.

import { tableOf } from '#kernel/errors/failures';
import type { Module } from '#kernel/module';
import type { ResourceKind } from '#resources';
import type { Workspaces } from '#workspaces';
import { connectionsFailures } from './connections.errors.ts';
import { createConnectionKind } from './connections.kind.ts';
import { createCredentials } from './credentials.service.ts';
import { connectionTables } from './migrations/index.ts';

export type Connections = Module<ResourceKind> & { readonly kinds: readonly ResourceKind[] };

export function createConnections({ workspaces }: { readonly workspaces: Workspaces }): Connections {
  return {
    name: 'connections',
    workspaceTables: connectionTables,
    failures: [tableOf(connectionsFailures)],
    kinds: [createConnectionKind({ credentials: createCredentials({ workspaces }) })],
  };
}
