// What an image of another registry is made of, as far as it is taken: one manifest of the platform that nodes have, its
// configuration, its layers. Whoever wrote it is not trusted; each number here is what the reader of images on a node takes. Pure.

import type { ReadManifest } from '#registry';

export type Descriptor = ReadManifest['blobs'][number];
export type Platform = { readonly os: string; readonly architecture: string };

export const platform: Platform = { os: 'linux', architecture: 'amd64' };
export const textOfPlatform = ({ os, architecture }: Platform): string => `${os}/${architecture}`;

export const layersMax = 128;
/** Read at once, and in a moment. */
export const documentBytesMax = 512 * 1024;
const configTypes: readonly string[] = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
const layerTypes: readonly string[] = [
  'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
];

type Listed = { readonly mediaType: string; readonly digest: string; readonly platform: Platform | undefined };

/** What an index lists, from a document that was read as one. */
export function listedIn(document: unknown): readonly Listed[] {
  const { manifests } = document as { readonly manifests: readonly Readonly<Record<string, unknown>>[] }; // its shape was checked
  return manifests.map(({ mediaType, digest, platform: said }) => {
    const { os, architecture } = (typeof said === 'object' && said !== null ? said : {}) as Readonly<
      Record<string, unknown>
    >;
    return {
      mediaType: String(mediaType),
      digest: String(digest),
      platform: typeof os === 'string' && typeof architecture === 'string' ? { os, architecture } : undefined,
    };
  });
}

/** The one manifest of the nodes' platform; the first, where several are of it. Answers what is wrong as text. */
export function chosenOf(
  listed: readonly Listed[],
  isManifest: (mediaType: string) => boolean,
): { readonly digest: string } | string {
  const found = listed.find(
    (each) =>
      isManifest(each.mediaType) &&
      each.platform?.os === platform.os &&
      each.platform.architecture === platform.architecture,
  );
  if (found !== undefined) return { digest: found.digest };
  const platforms = [...new Set(listed.flatMap((each) => (each.platform ? [textOfPlatform(each.platform)] : [])))];
  const have = platforms.length === 0 ? 'names none' : `is for ${platforms.slice(0, 12).join(', ').slice(0, 300)}`;
  return `it is there for no platform of the nodes (${textOfPlatform(platform)}): its list of platforms ${have}`;
}

/** Answers what is wrong as text; undefined: it can be taken. */
export function wrongIn(config: Descriptor, layers: readonly Descriptor[], bytesMax: number): string | undefined {
  if (!configTypes.includes(config.mediaType)) return `it is no image but '${config.mediaType.slice(0, 120)}'`;
  if (config.size > documentBytesMax) return `its configuration is larger than ${documentBytesMax / 1024} KiB`;
  if (layers.length === 0 || layers.length > layersMax)
    return `it has ${layers.length} layers, and 1 to ${layersMax} are taken`;
  const other = layers.find(({ mediaType }) => !layerTypes.includes(mediaType));
  if (other !== undefined)
    return `it has a layer of the type '${other.mediaType.slice(0, 120)}', and layers of tar and gzip are taken. Copy it with those (skopeo copy --dest-compress-format gzip)`;
  const bytes = layers.reduce((sum, { size }) => sum + size, config.size);
  if (bytes > bytesMax)
    return `it has ${Math.ceil(bytes / 1024 ** 2)} MiB, and the operator of the server permits ${Math.floor(bytesMax / 1024 ** 2)} (environments.imageBytes)`;
  return undefined;
}

/** Whether a configuration says another platform than the nodes'. Undefined: it says this one. */
export function otherPlatform(config: unknown): string | undefined {
  const { os, architecture } = (typeof config === 'object' && config !== null ? config : {}) as Readonly<
    Record<string, unknown>
  >;
  if (os === platform.os && architecture === platform.architecture) return undefined;
  return `it is for ${String(os).slice(0, 40)}/${String(architecture).slice(0, 40)}, and the nodes are ${textOfPlatform(platform)}`;
}
