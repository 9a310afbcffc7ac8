// Where the OpenID provider keeps its codes, refresh tokens, sessions, interactions and grants. Rows are found by the hash
// of the value that a client holds; codes and refresh tokens themselves are not stored, and a record gets its id back from
// whoever presents it. (An interaction names its session for its quarter of an hour; the database is encrypted as a whole.)
// Expiry is decided here, by our clock. Taking a one-time value is atomic: of two that race, one is refused.

import type { Adapter, AdapterPayload } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { randomToken } from '#kernel/crypto/random';
import { type Database, type Tx, tables } from '#kernel/database/database';

type Row = {
  model: string;
  key: string;
  payload: string;
  grant_id: string | null;
  user_code_key: string | null;
  uid_key: string | null;
  consumed_at_ms: number | null;
  expires_at_ms: number;
};
type Tables = { openid_records: Row };
const db = (tx: Tx) => tables<Tables>(tx);

const columns = ['key', 'payload', 'consumed_at_ms'] as const;
const payloadLengthMax = 64 * 1024;
const lifetimeSecondsMax = 90 * 86_400;

export type OpenIdRecords = {
  adapter(model: string): Adapter;
  /** Names the grant of one sign-in in what is issued to it, where its id itself must not stand. */
  grantKey(grantId: string): string;
  /** False once the grant was revoked: by a replayed code or refresh token, by signing out. */
  isGrant(key: string): Promise<boolean>;
  sweep(): Promise<void>;
};

export function createOpenIdRecords(options: { readonly database: Database; readonly clock: Clock }): OpenIdRecords {
  const { database, clock } = options;
  // A record that was found by its user code or uid does not know its own id. The library gets a handle instead, which
  // only this process can make: the hash alone, read from a backup, is not worth the value.
  const handle = `${randomToken()}:`;

  const keyIn = (model: string, id: string) =>
    id.startsWith(handle) ? id.slice(handle.length) : sha256Hex(`${model}:${id}`);

  function recordsOf(model: string): Adapter {
    const keyOf = (id: string) => keyIn(model, id);
    const optionalKey = (value: unknown) => (typeof value === 'string' ? sha256Hex(`${model}:${value}`) : null);
    const live = () => db(database.read).selectFrom('openid_records').where('model', '=', model);

    function restore(row: Pick<Row, (typeof columns)[number]> | undefined, id?: string): AdapterPayload | undefined {
      if (row === undefined) return undefined;
      // What was written below, by the same model.
      const payload = JSON.parse(row.payload) as AdapterPayload;
      return {
        ...payload,
        jti: id ?? `${handle}${row.key}`,
        ...(row.consumed_at_ms === null ? {} : { consumed: Math.floor(row.consumed_at_ms / 1000) }),
      };
    }

    return {
      async upsert(id, { jti: _held, ...payload }, expiresIn) {
        const text = JSON.stringify(payload);
        if (text.length > payloadLengthMax) throw new errors.InvalidRequest('the request is too long to be kept');
        const lifetime = Math.min(expiresIn ?? lifetimeSecondsMax, lifetimeSecondsMax);
        const row = {
          model,
          key: keyOf(id),
          payload: text,
          grant_id: typeof payload.grantId === 'string' && model !== 'Interaction' ? payload.grantId : null,
          user_code_key: optionalKey(payload.userCode),
          uid_key: optionalKey(payload.uid),
          expires_at_ms: clock.epochMs() + lifetime * 1000,
        };
        await database.write((tx) =>
          db(tx)
            .insertInto('openid_records')
            .values({ ...row, consumed_at_ms: null })
            .onConflict((conflict) => conflict.columns(['model', 'key']).doUpdateSet(row))
            .execute(),
        );
      },
      find: async (id) =>
        restore(
          await live()
            .select(columns)
            .where('key', '=', keyOf(id))
            .where('expires_at_ms', '>', clock.epochMs())
            .executeTakeFirst(),
          id,
        ),
      findByUserCode: async (userCode) =>
        restore(
          await live()
            .select(columns)
            .where('user_code_key', '=', sha256Hex(`${model}:${userCode}`))
            .where('expires_at_ms', '>', clock.epochMs())
            .executeTakeFirst(),
        ),
      findByUid: async (uid) =>
        restore(
          await live()
            .select(columns)
            .where('uid_key', '=', sha256Hex(`${model}:${uid}`))
            .where('expires_at_ms', '>', clock.epochMs())
            .executeTakeFirst(),
        ),
      async consume(id) {
        const taken = await database.write((tx) =>
          db(tx)
            .updateTable('openid_records')
            .set({ consumed_at_ms: clock.epochMs() })
            .where('model', '=', model)
            .where('key', '=', keyOf(id))
            .where('consumed_at_ms', 'is', null)
            .executeTakeFirst(),
        );
        if (taken.numUpdatedRows === 0n) throw new errors.InvalidGrant('it was used already');
      },
      async destroy(id) {
        await database.write((tx) =>
          db(tx).deleteFrom('openid_records').where('model', '=', model).where('key', '=', keyOf(id)).execute(),
        );
      },
      async revokeByGrantId(grantId) {
        await database.write((tx) =>
          db(tx).deleteFrom('openid_records').where('model', '=', model).where('grant_id', '=', grantId).execute(),
        );
      },
    };
  }

  return {
    adapter: recordsOf,
    grantKey: (grantId) => keyIn('Grant', grantId),
    async isGrant(key) {
      const row = await database.remembered(`grant ${key}`, (tx) =>
        db(tx)
          .selectFrom('openid_records')
          .select('expires_at_ms')
          .where('model', '=', 'Grant')
          .where('key', '=', key)
          .executeTakeFirst(),
      );
      return row !== undefined && row.expires_at_ms > clock.epochMs();
    },
    async sweep() {
      await database.write((tx) =>
        db(tx).deleteFrom('openid_records').where('expires_at_ms', '<=', clock.epochMs()).execute(),
      );
    },
  };
}
