// The control characters of ASCII, which no name, path or id may hold: a log, a header, a terminal or a file system further
// on would act on them. Rules that refuse more, or less, write their own.

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being looked for.
const control = /[\x00-\x1f\x7f]/;

export const hasControlCharacter = (text: string): boolean => control.test(text);
