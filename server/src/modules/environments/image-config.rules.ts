// What the configuration of an image keeps of instructions that mean nothing to a job: for whoever pulls it and runs it elsewhere. Pure.
// Source: Docker Image Specification 1.3 (Healthcheck, ExposedPorts).

import { type Instruction, jsonList, refuse } from './dockerfile.rules.ts';

/** `8080`, `53/udp`, `8000-8002` */
export function portsOf(line: number, text: string): Readonly<Record<string, object>> {
  const ports: Record<string, object> = {};
  for (const each of text.split(/\s+/)) {
    const [, first, last = first, protocol = 'tcp'] =
      /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(each) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from < 1 || to > 65_535 || to < from || to - from > 1000)
      throw refuse(line, `EXPOSE ${each.slice(0, 60)}`, 'names no port.');
    for (let port = from; port <= to; port += 1) ports[`${port}/${protocol.toLowerCase()}`] = {};
  }
  return ports;
}

const fieldOf: Readonly<Record<string, string>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};
const unitsNs: Readonly<Record<string, number>> = { ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 };

export function healthcheckOf({ line, flags, rest }: Instruction): object {
  const [word = ''] = rest.split(/\s/, 1);
  const command = rest.slice(word.length).trim();
  if (word.toUpperCase() === 'NONE' && command === '') return { Test: ['NONE'] };
  if (word.toUpperCase() !== 'CMD' || command === '')
    throw refuse(line, 'HEALTHCHECK', 'is written as HEALTHCHECK CMD command, or HEALTHCHECK NONE.');
  const list = jsonList(command);
  const found: Record<string, unknown> = { Test: list === undefined ? ['CMD-SHELL', command] : ['CMD', ...list] };
  for (const [flag, value] of flags) {
    const field = fieldOf[flag];
    const parts = [...value.matchAll(/(\d{1,9})(ms|s|m|h)/g)];
    const isDuration = parts.length > 0 && parts.map(([part]) => part).join('') === value;
    if (field !== undefined && isDuration)
      found[field] = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitsNs[unit ?? ''] ?? 0), 0);
    else if (flag === 'retries' && /^\d{1,6}$/.test(value)) found['Retries'] = Number(value);
    else
      throw refuse(
        line,
        `HEALTHCHECK --${flag.slice(0, 60)}`,
        'is no option of a health check, or has no value that is one.',
      );
  }
  return found;
}
