// The dependencies of an image: what the wheels in the folder `wheels` of the code install, each a layer of its own, unpacked
// where Python looks for it. Nothing is fetched and nothing of a wheel is run; what the folder does not hold is not there.
// Source: PyPA, binary distribution format (wheel 1.0).

import { imagesFailures } from './images.errors.ts';
import { checkPath, type TarFile } from './tar.rules.ts';
import { BadZip, readZip, type ZipMember } from './zip.rules.ts';

export const wheelsFolder = 'wheels';
/** Below the app root, on PYTHONPATH. */
export const dependenciesFolder = '.strongroom/python';

const wheelsMax = 60;
/** A wheel is in memory while its layer is made. */
const wheelBytesMax = 128 * 1024 * 1024;
/** `{distribution}-{version}(-{build})?-{python}-{abi}-{platform}.whl` */
const wheelName =
  /^([A-Za-z0-9][\w.]{0,127})-([\w.!+]{1,64})(?:-\d[\w.]{0,63})?-([\w.]{1,64})-([\w.]{1,64})-([\w.]{1,255})\.whl$/;
const linux = /^(?:any|linux_\w+|manylinux\w+|musllinux\w+)$/;
/** Scripts, headers and data files of a wheel go where an installation puts them; here nothing is installed. */
const data = /^[^/]+\.data\/([^/]+)\/(.+)$/;
const imported = new Set(['purelib', 'platlib']);

/** Whether a file of the code is a wheel: it becomes a layer, and is left out of the code. */
export const isWheel = ({ path }: Pick<TarFile, 'path'>): boolean => /^wheels\/[^/]+\.whl$/.test(path);

/**
 * Every rule that their names and sizes are enough for.
 * @param target the property that brought them
 */
export function checkWheels(files: readonly Pick<TarFile, 'path' | 'size'>[], target: string): void {
  const wheels = files.filter(isWheel);
  if (wheels.length > wheelsMax) throw imagesFailures.wheels(target, wheelsFolder, wheelsMax);
  const seen = new Set<string>();
  for (const { path, size } of wheels) {
    const file = path.slice(wheelsFolder.length + 1);
    const [, distribution = '', , , , platform = ''] = wheelName.exec(file) ?? [];
    if (distribution === '')
      throw imagesFailures.wheel(
        target,
        file,
        'is not named as a wheel is: {name}-{version}-{python}-{abi}-{platform}.whl',
      );
    if (!platform.split('.').some((tag) => linux.test(tag)))
      throw imagesFailures.wheel(
        target,
        file,
        'is for another system. Download the one for Linux, with pip download --platform',
      );
    if (size > wheelBytesMax) throw imagesFailures.wheel(target, file, `has more than ${wheelBytesMax} bytes`);
    const name = distribution.toLowerCase().replace(/[_.]+/g, '_');
    if (seen.has(name)) throw imagesFailures.wheel(target, file, 'is there in two versions. Keep one');
    seen.add(name);
  }
}

/** The wheels in the order of their names, each with what it puts where Python looks. Reads one at a time. */
export async function* dependenciesOf(
  files: readonly TarFile[],
  target: string,
): AsyncGenerator<{ readonly wheel: string; readonly files: readonly TarFile[] }> {
  checkWheels(files, target);
  const wheels = files.filter(isWheel).sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const file of wheels) {
    const wheel = file.path.slice(wheelsFolder.length + 1);
    yield { wheel, files: filesOf(wheel, await whole(file), target) };
  }
}

function filesOf(wheel: string, bytes: Buffer, target: string): readonly TarFile[] {
  const members = membersOf(wheel, bytes, target);
  if (!members.some(({ name }) => /^[^/]+\.dist-info\/WHEEL$/.test(name)))
    throw imagesFailures.wheel(target, wheel, 'has no .dist-info/WHEEL: it is a zip archive, but no wheel');
  const paths = new Set<string>();
  return members.flatMap((member) => {
    const path = placeOf(member.name);
    if (path === undefined) return [];
    checkPath(path, target);
    if (paths.has(path)) throw imagesFailures.wheel(target, wheel, `puts two files at '${path.slice(0, 200)}'`);
    paths.add(path);
    return [{ path, size: member.size, open: async () => inWords(wheel, member.read(), target) }];
  });
}

function membersOf(wheel: string, bytes: Buffer, target: string): readonly ZipMember[] {
  try {
    return readZip(bytes);
  } catch (thrown) {
    throw told(wheel, thrown, target);
  }
}

/** Below the folder that Python looks into, or undefined for what is not imported. */
function placeOf(name: string): string | undefined {
  const found = data.exec(name);
  if (found === null) return name;
  return imported.has(found[1] ?? '') ? found[2] : undefined;
}

/** A failure of the archive in words that name the wheel, whenever it comes. */
async function* inWords(wheel: string, pieces: AsyncIterable<Uint8Array>, target: string): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (thrown) {
    throw told(wheel, thrown, target);
  }
}

const told = (wheel: string, thrown: unknown, target: string) =>
  thrown instanceof BadZip ? imagesFailures.wheel(target, wheel, thrown.message) : thrown;

async function whole(file: TarFile): Promise<Buffer> {
  const content = await file.open();
  if (content instanceof Uint8Array) return Buffer.from(content);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += (chunk as Buffer).length; // binary streams give buffers
    if (size > file.size) break;
    chunks.push(chunk as Buffer);
  }
  if (size !== file.size) throw new Error(`a wheel has another size than the ${file.size} bytes that the code says`);
  return Buffer.concat(chunks);
}
