// Which release this is, as the package says that it came with.

import manifest from '../package.json' with { type: 'json' };

export const { version } = manifest;
/** How this client calls itself in every request, sign-in included: people see it when they are asked to confirm a code. */
export const clientName = `strongroom-cli/${version} (${process.platform}; node ${process.versions.node})`;
