// What a resource kind supplies to the resource manager: a type, a schema, a few functions, and its actions (POST verbs). What needs
// more than these is a route of its own. The manager does the rest in one order: id, authorization by the derived action,
// api-version, validation, etag, system data, long-running operation, audit.

import type { TSchema } from '@strongroom/contract/schema';
import type { ActorKind } from '#kernel/authority/actor';
import type { AuditLevel } from '#kernel/authority/audit';
import type { AuthenticationFacts } from '#kernel/authority/facts';
import type { Action, Grant } from '#kernel/authority/grant';
import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Answer, BodyRule } from '#kernel/http/route';
import type { EnvelopeMember, Refusal, Unserved } from './unserved.ts';

export type RestingState = 'Succeeded' | 'Failed' | 'Canceled';
export type ProvisioningState = 'Creating' | 'Updating' | 'Deleting' | RestingState;

export type SystemData = {
  readonly createdAt: string;
  readonly createdBy: string;
  readonly createdByType: 'User' | 'Application' | 'ManagedIdentity' | 'Key';
  readonly lastModifiedAt: string;
  readonly lastModifiedBy: string;
  readonly lastModifiedByType: 'User' | 'Application' | 'ManagedIdentity' | 'Key';
};

export type ResourceIdentity = {
  readonly type: 'None' | 'SystemAssigned' | 'UserAssigned' | 'SystemAssigned,UserAssigned';
  readonly principalId?: string;
  readonly tenantId?: string;
};

export type Properties = Readonly<Record<string, unknown>>;

/** Who made a resource, for what acts later in his name (a run token) under the system's own grant. */
export type Creator = {
  readonly kind: ActorKind;
  readonly objectId: string;
  readonly tenantId: string;
  readonly name: string;
  /** How he proved who he is; absent on what was made before this was kept. */
  readonly facts?: AuthenticationFacts;
};

/** A stored resource. `id` keeps the casing that it was made with. */
export type Resource = {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly location: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly kind: string | undefined;
  readonly sku: Properties | undefined;
  readonly identity: ResourceIdentity | undefined;
  /** What the caller set, normalised, and what the kind keeps beside it. `view` decides what is shown. */
  readonly properties: Properties;
  /** What the caller set and has no effect here, by dotted path below `properties`: the manager stores and shows it. */
  readonly inert?: Properties;
  readonly provisioningState: ProvisioningState;
  readonly etag: string;
  readonly systemData: SystemData;
  /** Present from creation on, never reused: what data is keyed by, so that a name that is reused finds nothing old. */
  readonly uniqueId: string;
  /** Always there on a resource that the manager hands out; optional for those that tests write by hand. */
  readonly creator?: Creator;
  /** The long-running operation that made it, or is removing it. */
  readonly operationId?: string;
};

/** What a PUT asks for, checked against the schema. */
export type Draft = {
  readonly location: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly kind: string | undefined;
  readonly sku: Properties | undefined;
  readonly identity: ResourceIdentity | undefined;
  readonly properties: Properties;
  readonly inert?: Properties;
};

export type Discriminator = {
  /** Dotted, below `properties`. */
  readonly path: string;
  /** Compared without regard to case. */
  readonly serves: readonly string[];
  /** @param value what was asked for, cut to a length that may be shown */
  refuse(value: string): Failure;
};

export type ResourceAction = {
  /** Last path segment, `listKeys`. */
  readonly name: string;
  readonly method?: 'POST' | 'GET';
  /** Derived as `{type}/{name}/action` when absent. A GET that answers a secret must name an action that a wildcard `read` does not cover. */
  readonly action?: Action;
  readonly summary: string;
  /** As a route says it: what does nothing but refuse says why in its own words. */
  readonly reads?: 'anything';
  readonly goesOnWhenLow?: string;
  /** Nothing else is done to the resource meanwhile, and a DELETE waits: what it makes is made of what stands. It puts no child that makes its parent. */
  readonly inTurn?: true;
  readonly audit: AuditLevel;
  readonly body?: BodyRule;
  readonly responses?: Readonly<Record<number, TSchema>>;
  handle(
    grant: Grant,
    resource: Resource,
    input: { readonly body: unknown; readonly query: Readonly<Record<string, unknown>>; readonly exchange: Exchange },
  ): Promise<Answer>;
};

/** How a request named this server, for the addresses that its answer holds. */
export type Addressed = {
  /** `https://host:port` */
  readonly origin: string;
  /** Empty where the request names none. */
  readonly host: string;
  readonly apiVersion: string;
};

export type TemplateParameters = Readonly<Record<string, unknown>>;

/** A template that clients are known to send for a resource of a kind: it is not evaluated, its parameters say what is meant. */
export type KnownTemplate = {
  /** Which it is, for messages: `the one that azure-ai-ml makes a workspace with`. */
  readonly title: string;
  /** Paths of a deployment's body that are recorded with it. */
  readonly recorded: readonly string[];
  /** Whether a template that makes resources of these types (in lower case), with these parameters, is this one. */
  isMeant(types: readonly string[], parameters: TemplateParameters): boolean;
  /** The parameters that mean something. The others are neither kept nor shown. */
  kept(parameters: TemplateParameters): TemplateParameters;
  /** Throws what no property of the resource stands for, and a name that is none. */
  check(parameters: TemplateParameters): void;
  /** The resource that they mean. Pure. */
  resourceIn(
    parameters: TemplateParameters,
    deploymentId: string,
  ): { readonly id: string; readonly draft: Partial<Draft> };
};

export type ResourceKind = {
  /** `Microsoft.KeyVault/vaults`, or of a child `Microsoft.MachineLearningServices/workspaces/jobs`. */
  readonly type: string;
  /** Singular words for messages: `key vault`. */
  readonly title: string;
  readonly namePattern: RegExp;
  /** Said when a name does not match: what a name may hold. */
  readonly nameRule: string;
  /** Schema of `properties` in a PUT body. Must not forbid additional properties itself; the manager does, with `unserved`. */
  readonly properties: TSchema;
  /** `properties` may hold a secret: no digest of what was sent is recorded. */
  readonly holdsSecrets?: boolean;
  /** Those of them that are one, and never shown: all others are looked at for credentials, and refused with one. */
  readonly secretProperties?: readonly string[];
  /** Where a text of it holds a credential: what to do instead, as the rest of a sentence. */
  readonly insteadOfCredential?: string;
  /** What Azure's resource of this type has and ours does not serve, each property refused, kept or ignored. */
  readonly unserved: Unserved;
  /** Members of the envelope that are refused otherwise than for all kinds. */
  readonly envelope?: Readonly<Partial<Record<EnvelopeMember, Refusal>>>;
  /** Properties that say what a resource is: looked at first, so that another type is refused as one and not by its shape. */
  readonly discriminators?: readonly Discriminator[];
  /** `required` for top-level resources; children inherit nothing and usually have none. */
  readonly location: 'required' | 'optional' | 'none';
  /** Whether PUT takes `identity`; a system-assigned one is made by the manager before `create`. `always`: also unasked. */
  readonly identity?: boolean | 'always';
  /** The envelope's `sku` / `kind`, where the kind has them. */
  readonly sku?: TSchema;
  /**
   * Create and remove run as a durable operation with Azure-AsyncOperation; otherwise they finish within the request.
   * `remove`: only the removal is long (a resource group). An update always finishes within the request.
   */
  readonly longRunning?: boolean | 'remove';
  /** A PUT makes the parent when it is missing, as Azure's asset versions make their container. */
  readonly makesParent?: boolean;
  readonly template?: KnownTemplate;
  /** Answer code of a PUT that made something new; 201 unless an SDK insists otherwise. */
  readonly createdStatus?: 200 | 201;
  /** Answer code of a DELETE that removed within the request; 200 unless an SDK insists otherwise. */
  readonly removedStatus?: 200 | 204;
  /** Whether a PUT on an existing one replaces it (`update`) or is refused as a conflict; versions are immutable. */
  readonly immutable?: boolean;
  /** Below this depth a list answers at the parent; top-level kinds list by resource group and by subscription. */
  readonly listQuery?: TSchema;
  /** What `$orderBy` of a list may name, in lower case, and the text that it compares. A list without it is in id order. */
  readonly orders?: Readonly<Record<string, (resource: Resource) => string>>;
  /** Query of a PUT and of a DELETE, where the kind's protocol has one: what it does not allow is refused before anything is looked at. */
  readonly putQuery?: TSchema;
  readonly removeQuery?: TSchema;

  /** Fills defaults and drops what may not be set. Pure. */
  normalise?(draft: Draft, existing: Resource | undefined): Properties;
  /** Every rule that needs a look elsewhere, before anything is made. Throws. */
  validate?(grant: Grant, draft: Draft, existing: Resource | undefined, id: string): Promise<void>;
  /** Makes what stands behind the resource; answers properties to keep beside it. Idempotent: after a crash it runs again. */
  create?(grant: Grant, resource: Resource): Promise<Properties | undefined>;
  update?(grant: Grant, resource: Resource, before: Resource): Promise<Properties | undefined>;
  /** Throws where what is there is not removed by a DELETE of its own, or not as its query asks. What goes with its parent is not asked. */
  checkRemoval?(resource: Resource, query: Readonly<Record<string, unknown>>): void;
  /** Destroys what stands behind it. Idempotent. Children of the resource were removed before. */
  remove?(grant: Grant, resource: Resource): Promise<void>;
  /** `properties` of an answer: never a secret. `provisioningState` is added by the manager. */
  view?(resource: Resource, addressed: Addressed | undefined): Properties;
  /** Throws `invalid` for a list's query that its schema cannot tell from a good one. */
  checkQuery?(query: Readonly<Record<string, unknown>>): void;
  /** Filters a list by its query. */
  matches?(resource: Resource, query: Readonly<Record<string, unknown>>): boolean;
  readonly actions?: readonly ResourceAction[];
  /** Actions derived for read/write/delete are of the control plane unless the kind says otherwise. */
  readonly audit?: { readonly read?: AuditLevel; readonly write?: AuditLevel; readonly remove?: AuditLevel };
};

/** What other modules hold of the manager. Every call decides by the grant it is given or by a further one. */
export type Resources = {
  /** Throws `notFound` (ResourceNotFound) with the id in the message. */
  get(grant: Grant, id: string): Promise<Resource>;
  find(grant: Grant, id: string): Promise<Resource | undefined>;
  /** The PUT procedure for code: same checks, same kind functions, waits until it is done (also when long-running). */
  put(grant: Grant, id: string, draft: Partial<Draft>): Promise<Resource>;
  /** The same, of what is not there yet; undefined when it is. */
  create(grant: Grant, id: string, draft: Partial<Draft>): Promise<Resource | undefined>;
  /** Throws what `create` would be refused for, and makes nothing: for what is to be made later. */
  check(grant: Grant, id: string, draft: Partial<Draft>): Promise<void>;
  /** Changes what a kind keeps beside its resource (a job's status). Atomic: `change` sees the stored properties. */
  change(grant: Grant, id: string, change: (properties: Properties) => Properties): Promise<Resource>;
  remove(grant: Grant, id: string): Promise<void>;
  /** Every resource of a type below an id, page by page: for who must pass over none, however many there are. */
  each(grant: Grant, query: { readonly type: string; readonly under: string }): AsyncIterable<Resource>;
  /** Resources of a type below an id, in id order. What is beyond `limit` (default 1000) is left out. */
  list(
    grant: Grant,
    query: { readonly type: string; readonly under: string; readonly limit?: number },
  ): Promise<readonly Resource[]>;
};
