// What scoring processes print, the last of it, in memory: bounded bytes and lines for each deployment. Nothing is written
// down. Must not be asked to keep anything of a workspace of high business impact; whoever adds decides that.

const bytesMax = 256 * 1024;

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
      if (kept.length > bytesMax) kept = kept.slice(kept.indexOf('\n', kept.length - bytesMax) + 1);
    },
    tail(lines) {
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
