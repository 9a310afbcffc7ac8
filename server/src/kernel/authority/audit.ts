// The port to the audit log. The kernel writes an intent before each act and concludes it after; `audit` implements
// the port. Begin fails closed: if it throws, nothing is done.

import type { Actor } from '#kernel/authority/actor';

export type AuditLevel =
  | { readonly level: 'activity'; readonly record?: readonly string[] } // allow-listed names: path and query parameters, or dotted paths of a JSON body
  | { readonly level: 'access'; readonly record?: readonly string[] }
  | { readonly level: 'none'; readonly reason: string };

export type AuditIntent = {
  readonly operation: string;
  readonly action: string;
  readonly scope: string;
  readonly actor: Actor;
  readonly requestId: string;
  readonly correlationId: string;
  readonly clientRequestId: string | undefined;
  readonly method: string;
  /** Path only; a query may hold a signature. */
  readonly path: string;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  readonly decision: 'allowed' | 'refused';
  /** The role and scope that allowed it, or why it was refused. */
  readonly reason: string;
  /** Allow-listed values, never a secret. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** SHA-256 of the body, hex, where the body was read before the act. */
  readonly bodyDigest: string | undefined;
};

export type AuditOutcome = {
  readonly status: number;
  /** The failure's code where there was one. */
  readonly code: string | undefined;
};

export type AuditMark = { conclude(outcome: AuditOutcome): Promise<void> };

export type AuditTrail = {
  /** Durable before it resolves. Level `activity`: intent, concluded by an outcome. Level `access`: one entry; only a failure adds an outcome. */
  begin(level: 'activity' | 'access', intent: AuditIntent): Promise<AuditMark>;
  /** A refusal is intent and outcome in one entry. */
  refused(intent: AuditIntent, outcome: AuditOutcome): Promise<void>;
  /**
   * What somebody did who did not prove who he is: listed by itself while his network has room for it, else counted together with
   * what is like it, so that strangers write so many records a minute and no more.
   */
  stranger(intent: AuditIntent, outcome: AuditOutcome): Promise<void>;
  /**
   * Whether an open route may be listed with an intent of its own before it acts; `proved` gives the room back. Undefined: it is
   * recorded after it acted, by itself if the caller proved who he is and counted if not.
   */
  listing(address: string | undefined): { proved(): void } | undefined;
};
