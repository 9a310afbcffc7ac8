// For tests: surfaces and routes behind the real door on a plain loopback port, so that a test sends real requests.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#kernel/clock/clock';
import type { Hosts } from '#kernel/http/hosts';
import { mount } from '#kernel/http/mount';
import type { Ports } from '#kernel/http/pipeline';
import type { ClientOf } from '#kernel/http/proxies';
import type { Route } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { type Log, silentLog } from '#kernel/log/log';
import type { Telemetry } from '#kernel/telemetry/telemetry';

export type TestDoor = { readonly url: string; close(): Promise<void> };

export async function openTestDoor(options: {
  readonly surfaces: readonly Surface[];
  readonly routes: readonly Route[];
  readonly ports: Ports;
  readonly clock?: Clock;
  readonly hosts?: Hosts;
  readonly clientOf?: ClientOf;
  readonly log?: Log;
  readonly telemetry?: Telemetry;
}): Promise<TestDoor> {
  const door = mount({ log: silentLog, ...options });
  const server = createServer((request, response) => void door.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
