// Whether the decision that a grant stands for was about a thing at all, for modules that are handed the grants of others.

import type { Grant } from '#kernel/authority/grant';
import { isWithin } from '#kernel/ids/ids';

/** About this id, something in it, or what it lies in. Fails closed: one that decided nothing (signed in, open) is about nothing. */
export const isAbout = ({ action, scope }: Grant, id: string): boolean =>
  action !== '' && (isWithin(id, scope) || isWithin(scope, id));
