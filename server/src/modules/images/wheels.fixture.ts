// Wheels for tests, written by another writer of zip: the standard library of Python. Only tests import it.

import { execFileSync } from 'node:child_process';

const writer = `
import json, stat, sys, zipfile
members = json.load(sys.stdin)
with zipfile.ZipFile(sys.stdout.buffer, "w") as archive:
    for member in members:
        info = zipfile.ZipInfo(member["name"], (2020, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_STORED if member.get("stored") else zipfile.ZIP_DEFLATED
        info.external_attr = member.get("mode", stat.S_IFREG | 0o644) << 16
        archive.writestr(info, member["text"])
`;

export type Member = {
  readonly name: string;
  readonly text: string;
  readonly stored?: boolean;
  /** With the bits of its type; a plain file by default. */
  readonly mode?: number;
};

/** A zip archive, its members in the order given. A name may come twice. */
export const makeZip = (members: readonly Member[]): Buffer =>
  execFileSync('python3', ['-W', 'ignore', '-c', writer], {
    input: JSON.stringify(members),
    maxBuffer: 256 * 1024 ** 2,
  });

/** A wheel of a package with these files; `tag` is what its name ends in. */
export function makeWheel(
  name: string,
  files: Readonly<Record<string, string>>,
  tag = 'py3-none-any',
): { readonly file: string; readonly bytes: Buffer } {
  const info = `${name}-1.0.dist-info`;
  const members = Object.entries({
    ...files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${tag}\n`,
  });
  return { file: `${name}-1.0-${tag}.whl`, bytes: makeZip(members.map(([path, text]) => ({ name: path, text }))) };
}
