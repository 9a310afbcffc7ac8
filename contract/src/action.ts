// One thing that can be permitted, by Azure's name where Azure has one. Every action that a route needs is declared once,
// in the table of its module beside this file, so that roles, documentation and the route sweep read the same list.

export type Action = { readonly name: string; readonly plane: 'control' | 'data' };

export const control = (name: string): Action => ({ name, plane: 'control' });
export const data = (name: string): Action => ({ name, plane: 'data' });
