// What the door counts, and when the certificates end that it shows.

import { failureKinds } from '#kernel/errors/failure';
import { counter, duration, gauge } from '#kernel/telemetry/meter';
import type { Telemetry } from '#kernel/telemetry/telemetry';

const surface = { open: 'surfaces that are mounted' } as const;

export const httpMeters = {
  requests: counter({
    name: 'strongroom_requests_total',
    help: 'Requests answered',
    labels: {
      surface,
      operation: { open: 'operations of mounted routes; none: no route' },
      status: { open: 'statuses that routes and models answer with' },
    },
    seriesMax: 20_000,
  }),
  requestTime: duration({
    name: 'strongroom_request_seconds',
    help: 'Time from the first byte of a request to its answer',
    labels: { surface },
  }),
  strangerRefusals: counter({
    name: 'strongroom_stranger_refusals_total',
    help: 'Requests that were refused before their sender had proved who he is',
    labels: { kind: failureKinds },
  }),
  certificateExpiry: gauge({
    name: 'strongroom_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that clients are shown ends; files: the one of http.tls',
    labels: { certificate: ['own', 'files'] },
  }),
} as const;

export type CertificateEnds = {
  /** The one of the server's own authority. */
  readonly own: Date;
  /** The one that was configured as files, where one was. */
  readonly files?: Date;
};

export function meterCertificates(telemetry: Telemetry, certificates: () => CertificateEnds): void {
  const seconds = (date: Date) => date.getTime() / 1000;
  telemetry.gauge(httpMeters.certificateExpiry, () => {
    const { own, files } = certificates();
    return { own: seconds(own), ...(files ? { files: seconds(files) } : {}) };
  });
}
