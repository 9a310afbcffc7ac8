// Every setting of the server, each declared by its room, and what is read of them before there is any module.

import { auditSettings } from '#audit';
import { computeSettings } from '#compute';
import { environmentsSettings } from '#environments';
import { importsSettings } from '#imports';
import { jobsSettings } from '#jobs';
import { type ConfigSources, readSettings } from '#kernel/config/config';
import { kernelSettings } from '#kernel/config/kernel.settings';
import type { ConfigOf, SettingList } from '#kernel/config/setting';
import { quotasSettings } from '#quotas';

type SettingsOf<L> = L extends SettingList<infer S> ? S : never;

export type Config = ConfigOf<SettingsOf<typeof kernelSettings>> &
  ConfigOf<SettingsOf<typeof auditSettings>> &
  ConfigOf<SettingsOf<typeof quotasSettings>> &
  ConfigOf<SettingsOf<typeof computeSettings>> &
  ConfigOf<SettingsOf<typeof jobsSettings>> &
  ConfigOf<SettingsOf<typeof environmentsSettings>> &
  ConfigOf<SettingsOf<typeof importsSettings>>;

/** In the order of the printed page. */
export const settingLists: readonly SettingList[] = [
  kernelSettings,
  auditSettings,
  quotasSettings,
  computeSettings,
  jobsSettings,
  environmentsSettings,
  importsSettings,
];

/** @throws Failure `invalid` that names every mistake */
export const readConfig = (sources: ConfigSources): Config => readSettings(settingLists, sources) as unknown as Config; // every place of the lists is there, with a value that its setting accepts
