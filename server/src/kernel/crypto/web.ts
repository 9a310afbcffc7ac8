// The Web Crypto interface for libraries that ask for one (X.509). Kept here so that this room stays the only importer
// of the platform's cryptography.

import { webcrypto } from 'node:crypto';

export { randomBytes } from './random.ts';
export const subtle = webcrypto.subtle;
