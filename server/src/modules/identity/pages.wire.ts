// Pages as answers. The policy allows a page its own styles and its one script, by their hashes, and nothing else.

import { sha256 } from '#kernel/crypto/digest';
import type { Answer } from '#kernel/http/route';
import type { Page } from './frame.page.ts';
import type { Next } from './openid.types.ts';

const allowing = (text: string) => `'sha256-${Buffer.from(sha256(text)).toString('base64')}'`;

export const pageAnswer = ({ status, markup, styles, scripts, formTargets }: Page): Answer => ({
  status,
  contentType: 'text/html; charset=utf-8',
  body: markup,
  headers: {
    'content-security-policy': [
      "default-src 'none'",
      ['style-src', ...styles.map(allowing)].join(' '),
      ...(scripts.length === 0 ? [] : [['script-src', ...scripts.map(allowing)].join(' ')]),
      "img-src 'self'",
      ['form-action', "'self'", ...formTargets].join(' '),
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  },
});

export function nextAnswer(next: Next): Answer {
  if ('to' in next) return { status: 303, headers: { location: next.to } };
  const answer = pageAnswer(next.page);
  if (next.retryAfterSeconds === undefined) return answer;
  return { ...answer, headers: { ...answer.headers, 'retry-after': String(next.retryAfterSeconds) } };
}
