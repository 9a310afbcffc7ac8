// Settings that the module makes for itself in a workspace's database. No decisions.

import { type Tx, tables } from '#kernel/database/database';

type SettingsTables = { runs_settings: { name: string; value: Uint8Array } };

export async function readSetting(tx: Tx, name: string): Promise<Uint8Array | undefined> {
  const row = await tables<SettingsTables>(tx)
    .selectFrom('runs_settings')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.value;
}

/** Keeps what is there; answers what holds afterwards. */
export async function writeSettingOnce(tx: Tx, name: string, value: Uint8Array): Promise<Uint8Array> {
  await tables<SettingsTables>(tx)
    .insertInto('runs_settings')
    .values({ name, value: Buffer.from(value) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  return (await readSetting(tx, name)) ?? value;
}
