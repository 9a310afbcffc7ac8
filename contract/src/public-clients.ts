// Client ids that need no registration. They stand apart from the shapes of sign-in, because a client needs them and no schema
// library with them.

/** Azure's command line and developer libraries sign in with the first. */
export const publicClients = {
  azureCli: '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
  strongroomCli: '5e7a0c4e-6f0d-4d6c-9b1a-3c2f8d1e7a01',
  portal: '5e7a0c4e-6f0d-4d6c-9b1a-3c2f8d1e7a02',
} as const;
