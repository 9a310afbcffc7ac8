// Makes every name below `localhost` resolve to this machine, as RFC 6761 asks and systemd-resolved does. Loaded with
// `node --import` into the clients' process: vaults and storage accounts are virtual hosts, and a plain Debian resolves only
// `localhost` itself. Changes name look-up only; the clients stay as published.

import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

const lookup = dns.lookup;

dns.lookup = (name, options, callback) => {
  if (!String(name).toLowerCase().endsWith('.localhost')) return lookup(name, options, callback);
  const [settings, answer] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
  const all = typeof settings === 'object' && settings.all === true;
  process.nextTick(() => (all ? answer(null, [{ address: '127.0.0.1', family: 4 }]) : answer(null, '127.0.0.1', 4)));
};
syncBuiltinESMExports();
