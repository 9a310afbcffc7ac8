// A name for a run that was given none: adjective, noun and a number, so that people can talk about it. Not an identity.

import { randomBytes } from '#kernel/crypto/random';

const adjectives = (
  'able amber bold brave bright calm clever cosmic crisp curious daring eager fair fancy gentle glad golden grand ' +
  'happy honest jolly keen kind lively lucky mellow merry mighty nimble noble patient placid polite proud quick quiet ' +
  'rare royal serene sharp silent silver sincere smooth steady sunny swift thoughtful tidy vivid warm wise witty'
).split(' ');
const nouns = (
  'ant asp auk bass bear bee bird boar bug calf carp cat cod colt crab crane crow deer doe dog dove duck elk ewe fawn ' +
  'finch fish fly fowl fox frog gnat goat goose grouse grub gull hare hawk hen hog horse hound jay kit koi lamb lark ' +
  'loon lynx mare midge mink mole moose moth mouse mule newt owl ox penguin perch pig pug quail ram rat ray robin ' +
  'rook seal shad shark sheep shoat shrew skink skunk sloth slug smelt snail snake sow sponge squid stag steed stork'
).split(' ');

export function randomRunName(): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = randomBytes(4);
  const pick = (list: readonly string[], byte: number) => list[byte % list.length];
  return `${pick(adjectives, first)}-${pick(nouns, second)}-${(third * 256 + fourth) % 1000}`;
}
