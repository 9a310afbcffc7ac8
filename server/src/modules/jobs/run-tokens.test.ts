// What the token of a run says of who it acts for. What it opens, and when it stops to, is held by server/test/run-token.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exchange } from '#kernel/http/exchange';
import { createRunTokens } from './run-tokens.scheme.ts';

const facts = { methods: ['pwd', 'otp', 'mfa'], at: 1_700_000_000, from: '192.0.2.7' };
const subject = {
  jobId: '/w/jobs/j',
  workId: 'work',
  workspaceId: '/w',
  workspaceUniqueId: 'u',
  runId: 'j',
  experimentId: '3',
  isBuild: false,
  mayInstall: false,
  inputs: ['/w/snapshots/d'],
  submitter: 'somebody',
  facts,
};

/** Tokens whose text is their claims: what signs and verifies them is not what is tested here. */
const tokens = createRunTokens({
  tokens: {
    issueToken: async ({ claims, subject: sub, purpose }) => {
      const payload = Buffer.from(JSON.stringify({ ...claims, sub, purpose, jti: 'jti' })).toString('base64url');
      return { token: `h.${payload}.s`, tokenId: 'jti', expiresAt: new Date(0) };
    },
    verifyToken: async (token) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()),
    revoke: async () => {},
  },
  tenantId: 't',
  isActive: async () => true,
  directory: { findPrincipal: async () => ({ enabled: true }) },
});
const actorOf = async (token: string) => {
  const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined);
  return await tokens.scheme.authenticate({ header } as Exchange);
};

test('a run proves itself by its token, and carries how its submitter signed in', async () => {
  const actor = await actorOf(await tokens.issue(subject, 60));
  assert.deepEqual([actor?.kind, actor?.objectId, actor?.name], ['run', 'somebody', 'job j']);
  assert.deepEqual(actor?.authentication, { method: 'runToken', mfa: true, ...facts, tokenId: 'jti' });
  const single = await actorOf(await tokens.issue({ ...subject, facts: { ...facts, methods: ['pwd'] } }, 60));
  assert.deepEqual([single?.authentication.mfa, single?.authentication.methods], [false, ['pwd']]);
});
