// What a tracking server says of itself. The version is the one of the protocol that is spoken here: clients choose their
// calls by it.

import * as wire from '@strongroom/contract/runs';
import { json, open, type Route, route, unrecorded } from '#kernel/http/route';
import { mlflowSurface, workspacePath } from './surface.ts';

const version = '3.11.1';
const constant = 'a constant that is the same for every workspace, whether it exists or not';

const constantRoute = (operation: string, path: string, summary: string, answer: unknown): Route =>
  route({
    operation: `MLflow_${operation}`,
    surface: mlflowSurface,
    method: 'GET',
    path: `${workspacePath}${path}`,
    summary,
    access: open(constant),
    audit: unrecorded(constant),
    ...(typeof answer === 'string' ? {} : { responses: { 200: wire.serverInfo } }),
    handle: () => json(200, answer),
  });

export const serverRoutes: readonly Route[] = [
  constantRoute('Version', '/version', 'The version of MLflow whose protocol is served', version),
  constantRoute('Health', '/health', 'Says that the server answers', 'OK'),
  // One workspace of ours is one tracking server to its clients.
  constantRoute('ServerInfo', '/server-info', 'What kind of store this is', {
    store_type: 'SqlStore',
    workspaces_enabled: false,
  }),
];
