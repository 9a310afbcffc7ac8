// The door of the landing module: what a browser finds at the origin. Everything here is open and static: it tells what every
// client must know before it can sign in, and nothing of what the server holds.

import { Type } from '@strongroom/contract/schema';
import { pageAnswer } from '#identity';
import { tableOf } from '#kernel/errors/failures';
import { type Answer, json, open, route, unrecorded } from '#kernel/http/route';
import type { Trust } from '#kernel/http/trust';
import type { Module } from '#kernel/module';
import { landingFailures } from './landing.errors.ts';
import { icon, jobPage, landingPage, type Place, runsPage, wantsPage } from './landing.page.ts';
import { createLandingSurface } from './surface.ts';

export { landingWireOf } from './surface.ts';

const jobName = /^[A-Za-z0-9][\w-]{0,254}$/;
/** `wsid` of a job's link, as Azure's studio has it: the id of its workspace. */
const workspaceId = /\/resourceGroups\/([^/]+)\/providers\/[^/]+\/workspaces\/([^/]+)$/i;

const placeOf = (wsid: unknown): Place => {
  const [, group, workspace] = (typeof wsid === 'string' ? workspaceId.exec(wsid) : null) ?? [];
  return { group, workspace };
};

export function createLanding(deps: { readonly version: string; readonly trust: Trust }): Module {
  const { version, trust } = deps;
  const surface = 'landing';
  const get = { surface, method: 'GET', audit: unrecorded('a page of words that is the same for everybody') } as const;
  const links = open(
    'a link that a client printed is opened by whoever has it; the page tells nothing of what it names',
  );
  const welcome = (path: string, operation: string) =>
    route({
      ...get,
      operation,
      path,
      summary: 'What this server is, how to sign in, and whom to trust',
      access: open('a browser that comes for the first time has no credential and learns what every client must know'),
      handle: (_grant, { exchange }) =>
        wantsPage(exchange)
          ? pageAnswer(landingPage(version, trust, exchange))
          : json(200, {
              name: 'Strongroom',
              version,
              certificateAuthority: `${exchange.target.origin}/ca.pem`,
              fingerprints: trust.anchors.map(({ fingerprint }) => fingerprint),
            }),
    });
  const picture = (path: string, operation: string) =>
    route({
      ...get,
      operation,
      path,
      summary: 'The icon of the pages',
      access: open('browsers ask for it without a credential'),
      handle: (): Answer => ({
        status: 200,
        body: icon,
        contentType: 'image/svg+xml',
        headers: { 'cache-control': 'public, max-age=86400' },
      }),
    });
  return {
    name: 'landing',
    failures: [tableOf(landingFailures)],
    surfaces: [createLandingSurface()],
    routes: [
      welcome('/', 'Landing_Get'),
      welcome('/portal', 'Landing_GetPortal'),
      picture('/favicon.svg', 'Landing_GetIcon'),
      picture('/favicon.ico', 'Landing_GetFavicon'),
      route({
        ...get,
        operation: 'Authority_Get',
        path: '/ca.pem',
        summary: 'The certificates of the authorities that issue what this server shows',
        access: open('a certificate authority is public, and needed before there is a connection to be trusted'),
        handle: (): Answer => ({ status: 200, body: trust.pem, contentType: 'application/x-pem-file' }),
      }),
      route({
        ...get,
        operation: 'Landing_GetJob',
        path: '/portal/jobs/{name}',
        summary: "Where a job's link leads: how to see it with the command line",
        access: links,
        query: Type.Object({ wsid: Type.Optional(Type.String({ maxLength: 1024 })) }),
        handle: (_grant, { params, query }) => {
          const { name = '' } = params;
          if (!jobName.test(name)) throw landingFailures.NotFound();
          return pageAnswer(jobPage(name, placeOf(query.wsid)));
        },
      }),
      route({
        ...get,
        operation: 'Landing_GetRuns',
        path: '/tracking/{group}/{workspace}',
        summary: "Where the links of MLflow's client lead: how to see a run with it",
        access: links,
        handle: (_grant, { params }) =>
          pageAnswer(runsPage({ group: params['group'], workspace: params['workspace'] })),
      }),
    ],
  };
}
