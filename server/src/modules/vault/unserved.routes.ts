// Operations of the Key Vault protocol that this server does not serve, refused by name: a client that was written for all of
// Azure's is told that it is the server, and not its path or its role, that lacks them.

import { Failure } from '#kernel/errors/failure';
import { type Route, route, signedIn, unrecorded } from '#kernel/http/route';

type Unserved = { readonly name: string; readonly path: string; readonly methods: readonly Route['method'][] };

const operations: readonly Unserved[] = [
  { name: 'Certificates', path: 'certificates', methods: ['GET'] },
  { name: 'Certificate', path: 'certificates/{rest+}', methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] },
  { name: 'DeletedCertificates', path: 'deletedcertificates', methods: ['GET'] },
  { name: 'DeletedCertificate', path: 'deletedcertificates/{rest+}', methods: ['GET', 'POST', 'DELETE'] },
  { name: 'KeyBackup', path: 'keys/{name}/backup', methods: ['POST'] },
  { name: 'SecretBackup', path: 'secrets/{name}/backup', methods: ['POST'] },
  { name: 'KeyRotationPolicy', path: 'keys/{name}/rotationpolicy', methods: ['GET', 'PUT'] },
  { name: 'KeyRelease', path: 'keys/{name}/{version}/release', methods: ['POST'] },
  { name: 'Random', path: 'rng', methods: ['POST'] },
];

export const unservedRoutes: readonly Route[] = operations.flatMap(({ name, path, methods }) =>
  methods.map((method) =>
    route({
      operation: `Vault_Unserved_${name}_${method}`,
      surface: 'keyvault',
      method,
      path: `/vaults/{vault}/${path}`,
      summary: 'Operations of the protocol that are not served',
      access: signedIn('does nothing but say that the operation is not served'),
      audit: unrecorded('nothing is looked at and nothing is done'),
      handle: () => {
        throw new Failure({
          kind: 'notImplemented',
          code: 'OperationNotSupported',
          message:
            'This operation of the Key Vault protocol is not served: certificates, backup and restore, rotation policies, ' +
            'release and random bytes are not. Secrets, and RSA keys with their uses, versions, deletion and rotation, are.',
        });
      },
    }),
  ),
);
