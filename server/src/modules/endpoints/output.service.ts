// What scoring processes print, the last of it, in memory: bounded for each deployment, however long its lines are. Nothing is
// written down. Must not be asked to keep anything of a workspace of high business impact; whoever adds decides that.

const charactersMax = 256 * 1024;

export type Output = {
  add(text: string): void;
  /** The last `lines` lines, all that is kept by default. */
  tail(lines?: number): string;
  /** The last line that somebody would read as the reason of a failure, or undefined. */
  reason(): string | undefined;
};

export function createOutput(): Output {
  let kept = '';
  return {
    add(text) {
      kept += text;
      // Not at every line: cutting costs as much as all that is kept.
      if (kept.length > 2 * charactersMax) kept = lastOf(kept);
    },
    tail(lines) {
      kept = lastOf(kept);
      if (lines === undefined) return kept;
      const all = kept.replace(/\n$/, '').split('\n');
      return lines <= 0 || kept === '' ? '' : `${all.slice(-lines).join('\n')}\n`;
    },
    reason() {
      const lines = kept.split('\n').filter((line) => line.trim() !== '');
      // The last line of a Python traceback names what was raised and says why.
      return lines.slice(-1)[0]?.slice(0, 500);
    },
  };
}

/** Whole lines, unless one of them is longer than all that is kept. */
function lastOf(text: string): string {
  if (text.length <= charactersMax) return text;
  const last = text.slice(-charactersMax);
  return last.slice((last.indexOf('\n') + 1) % last.length);
}
