// What is told of the log itself.

import { gauge } from '#kernel/telemetry/meter';

export const auditMeters = {
  records: gauge({ name: 'strongroom_audit_records', help: 'Records of the audit log' }),
  checkpoint: gauge({
    name: 'strongroom_audit_checkpoint_timestamp_seconds',
    help: 'When the newest checkpoint of the audit log was signed; 0: none was yet',
  }),
} as const;
