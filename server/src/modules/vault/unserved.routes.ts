// Operations of the Key Vault protocol that this server does not serve, refused by name: a client that was written for all of
// Azure's is told that it is the server, and not its path or its role, that lacks them.

import { type Route, route, signedIn, unrecorded } from '#kernel/http/route';
import { vaultFailures } from './vault.errors.ts';

type Unserved = {
  readonly name: string;
  readonly path: string;
  readonly methods: readonly Route['method'][];
  /** Said of it: what it is, and what takes its place where something does. */
  readonly message: string;
};

const certificates =
  'Certificates are not served by this server. Keep the certificate with its key as a secret (content type application/x-pkcs12 or application/x-pem-file).';
const backup = (what: string) =>
  `Backup and restore of single ${what} are not served by this server. Deleted ones are recovered for the vault's retention; the data folder is backed up as a whole (docs/operations).`;
const rotation =
  'Rotation policies of keys are not served by this server. Rotate the key when it is due: POST /keys/{name}/rotate.';
const random = 'Random bytes are not served by this server. Draw them from the operating system.';

const operations: readonly Unserved[] = [
  { name: 'Certificates', path: 'certificates', methods: ['GET'], message: certificates },
  {
    name: 'Certificate',
    path: 'certificates/{rest+}',
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    message: certificates,
  },
  { name: 'DeletedCertificates', path: 'deletedcertificates', methods: ['GET'], message: certificates },
  {
    name: 'DeletedCertificate',
    path: 'deletedcertificates/{rest+}',
    methods: ['GET', 'POST', 'DELETE'],
    message: certificates,
  },
  { name: 'KeyBackup', path: 'keys/{name}/backup', methods: ['POST'], message: backup('keys') },
  { name: 'SecretBackup', path: 'secrets/{name}/backup', methods: ['POST'], message: backup('secrets') },
  { name: 'KeyRestore', path: 'keys/restore', methods: ['POST'], message: backup('keys') },
  { name: 'SecretRestore', path: 'secrets/restore', methods: ['POST'], message: backup('secrets') },
  { name: 'KeyRotationPolicy', path: 'keys/{name}/rotationpolicy', methods: ['GET', 'PUT'], message: rotation },
  {
    name: 'KeyRelease',
    path: 'keys/{name}/{version}/release',
    methods: ['POST'],
    message: 'Keys of this server are never released: they are used where they are.',
  },
  { name: 'Random', path: 'rng', methods: ['POST'], message: random },
];

export const unservedRoutes: readonly Route[] = operations.flatMap(({ name, path, methods, message }) =>
  methods.map((method) =>
    route({
      operation: `Vault_Unserved_${name}_${method}`,
      surface: 'keyvault',
      method,
      path: `/vaults/{vault}/${path}`,
      summary: 'Operations of the protocol that are not served',
      access: signedIn('does nothing but say that the operation is not served'),
      goesOnWhenLow: 'it does nothing but refuse',
      audit: unrecorded('nothing is looked at and nothing is done'),
      handle: () => {
        throw vaultFailures.OperationNotSupported(message);
      },
    }),
  ),
);
