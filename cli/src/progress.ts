// What is under way, on a terminal and only once it takes longer than a second; elsewhere silence.

import type { Shell } from './shell.ts';

export type Progress = <T>(label: string, act: (update: (status: string) => void) => Promise<T>) => Promise<T>;

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧'];
const patienceMs = 1000;
const frameMs = 120;

export function createProgress(shell: Pick<Shell, 'err' | 'errIsTerminal' | 'now'>): Progress {
  return async (label, act) => {
    if (!shell.errIsTerminal) return await act(() => undefined);
    let status = '';
    let frame = 0;
    let shown = false;
    const begun = shell.now();
    const timer = setInterval(() => {
      if (shell.now() - begun < patienceMs) return;
      shown = true;
      shell.err(
        `\r\u001b[K${frames[frame++ % frames.length]} ${label}${status === '' ? '' : `: ${status}`} (${Math.round((shell.now() - begun) / 1000)} s)`,
      );
    }, frameMs);
    try {
      return await act((next) => {
        status = next;
      });
    } finally {
      clearInterval(timer);
      if (shown) shell.err('\r\u001b[K');
    }
  };
}
