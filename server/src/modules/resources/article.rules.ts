// The titles of kinds in sentences: `an online endpoint`, `a workspace`.

export const withArticle = (title: string): string => `${/^[aeiou]/i.test(title) ? 'an' : 'a'} ${title}`;
