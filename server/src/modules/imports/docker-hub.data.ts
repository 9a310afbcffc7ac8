// Docker Hub is called by one host and reached at others. Source: https://docs.docker.com/desktop/setup/allow-list/ and
// the default domain of distribution/reference.

export const hubHost = 'docker.io';
export const hubAliases: readonly string[] = [hubHost, 'index.docker.io', 'registry-1.docker.io'];
/** Below which what is named by one word lies. */
export const hubOwn = 'library/';

/** Where the protocol is spoken, by the host that names the images. */
export const reachedAt: Readonly<Record<string, string>> = { [hubHost]: 'registry-1.docker.io' };
/** Where its tokens come from, which is not the operator's to find out. */
export const tokensFrom: Readonly<Record<string, readonly string[]>> = { [hubHost]: ['auth.docker.io'] };
