// The page of every setting that the kernel and the modules declare.

import { type Setting, variableOf, wantedOf } from '../../server/src/kernel/config/setting.ts';
import { cell } from './cell.ts';

const standardOf = ({ standard }: Setting) => {
  if (standard === '' || (Array.isArray(standard) && standard.length === 0)) return '';
  return `\`${Array.isArray(standard) ? standard.join(', ') : String(standard)}\``;
};

/** docs/operations/settings.md */
export function settingsPage(all: readonly (readonly [path: string, setting: Setting])[]): string {
  const rows = all.map(
    ([path, setting]) =>
      `| \`${path}\` | \`${variableOf(path)}\` | ${cell(setting.help)}${'holdsSecret' in setting && setting.holdsSecret ? '; holds a secret' : ''} | ${cell(wantedOf(setting))} | ${standardOf(setting)} |`,
  );
  return [
    '# Settings',
    '',
    'Printed from the code by `npm run pages`; `npm run check` compares it. A setting stands in the file, in a variable, or on the',
    'command line, which wins over the variable, which wins over the file. In a variable a list is separated by commas. What is not here is refused, and so is a value',
    'that is not what the fourth column says; all mistakes are named at once. None weakens a check, and none is a secret: secrets lie in files that settings name.',
    '',
    '| setting | variable | what it is | may be | unless set |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
