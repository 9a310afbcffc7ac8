import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { type ConfigSources, readSettings } from './config.ts';
import { kernelSettings } from './kernel.settings.ts';
import { type ConfigOf, type Setting, type SettingList, settingList } from './setting.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
after(() => rmSync(folder, { recursive: true }));
const file = (text: string) => {
  const path = join(folder, 'strongroom.yaml');
  writeFileSync(path, text);
  return path;
};
const list = settingList({
  'room.isOpen': { kind: 'truth', standard: true, help: 'Whether it is open' },
  'room.seats': { kind: 'whole', standard: 0, or: 0, min: 90, max: 900, help: 'How many sit in it' },
  'room.names': {
    kind: 'list',
    standard: ['a'],
    most: 3,
    pattern: /^[a-z]+$/,
    wanted: 'small letters',
    help: 'How it is called',
  },
  'room.door.key': { kind: 'file', standard: '', holdsSecret: true, help: 'What opens its door' },
  'room.size': { kind: 'word', standard: 'small', words: ['small', 'large'], help: 'How large it is' },
});
type Config = ConfigOf<typeof kernelSettings.settings> & ConfigOf<typeof list.settings>;
const read = (sources: ConfigSources, lists: readonly SettingList[] = [kernelSettings, list]) =>
  readSettings(lists, { environment: {}, ...sources }) as Config;
const refused = (sources: ConfigSources, ...about: readonly (RegExp | string)[]) =>
  assert.throws(
    () => read(sources),
    (thrown: unknown) => {
      assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
      for (const one of about)
        assert.ok(typeof one === 'string' ? thrown.message.includes(one) : one.test(thrown.message), thrown.message);
      return true;
    },
  );

test('flags win over the environment, which wins over the file, which wins over what stands when nobody sets it', () => {
  const config = read({
    file: file('http: {port: 1, host: 10.0.0.1}\nlog: {level: warn}'),
    environment: {
      STRONGROOM_HTTP_PORT: '2',
      STRONGROOM_ROOM_IS_OPEN: 'false',
      STRONGROOM_ROOM_NAMES: 'b, c',
      PATH: '/',
    },
    flags: { http: { port: 3 } },
  });
  assert.deepEqual([config.http.port, config.http.host, config.log.level], [3, '10.0.0.1', 'warn']);
  assert.deepEqual(config.room, { isOpen: false, seats: 0, names: ['b', 'c'], door: { key: '' }, size: 'small' });
  assert.equal(config.location, 'local');
});

test('every mistake is named at once with what to write, and unknown names are refused', () => {
  refused(
    {
      file: file('http: {port: 99999, prot: 1}\nlog: {level: loud}\nrooom: 1\nroom: 5\nkeys:\n'),
      environment: { STRONGROOM_ROOM_IS_OPEN: 'perhaps', STRONGROOM_HTPP_PORT: '1' },
    },
    'http.port is 99999; write a whole number from 0 to 65535',
    "'prot' in http is no setting; the settings are http.host, http.port, http.domain",
    'log.level is "loud"; write one of debug, info, warn, error, silent',
    "'rooom' is no setting; the settings are dataDir, location, http, keys, log, disk, room",
    'room is a section; write its settings below it: room.isOpen',
    'keys is a section; write its settings below it: keys.rootKeyFile',
    'room.isOpen is "perhaps"; write true or false',
    'STRONGROOM_HTPP_PORT is no setting',
  );
});

test('a variable that is set to nothing is a mistake, and no port', () => {
  for (const text of ['', ' ', '1e3', '0x10', '-1', '8443.5', '9'.repeat(400)])
    refused({ environment: { STRONGROOM_HTTP_PORT: text } }, /http\.port is .*; write a whole number/);
});

test('a file that cannot be read or is no mapping is a mistake with its name', () => {
  refused({ file: join(folder, 'absent.yaml') }, /absent.yaml cannot be read/);
  refused({ file: file('- a') }, /does not hold a mapping; write settings as/);
  refused({ file: file('a: &x [1]\nb: *x') }, /cannot be read/);
});

test('a number may mean something of its own beside its bounds', () => {
  for (const seats of [0, 90, 900]) assert.equal(read({ flags: { room: { seats } } }).room.seats, seats);
  for (const seats of [1, 89, 901, -1, 90.5, '90', null, [90]])
    refused({ flags: { room: { seats } } }, 'write 0, or a whole number from 90 to 900');
});

test('a list is as long as it may be, of what may be in it', () => {
  refused({ flags: { room: { names: ['a', 'b', 'c', 'd'] } } }, 'write a list of 3 at most: small letters');
  for (const names of ['a', ['A'], [1], { 0: 'a' }]) refused({ flags: { room: { names } } }, 'room.names is');
});

test('a secret that was written where its file belongs is not shown', () => {
  const secret = '-----BEGIN PRIVATE KEY-----\nMIIE';
  refused({ environment: { STRONGROOM_ROOM_DOOR_KEY: secret } }, 'room.door.key is no path; write the path of a file');
  assert.throws(
    () => read({ environment: { STRONGROOM_ROOM_DOOR_KEY: secret } }),
    (thrown: Error) => !thrown.message.includes('MIIE'),
  );
});

test('what is long is told short, and names from outside become none of an object', () => {
  assert.throws(
    () => read({ flags: { location: 'X'.repeat(1_000_000) } }),
    (thrown: Error) => thrown.message.length < 300,
  );
  refused(
    { file: file('__proto__: {port: 1}\nconstructor: 2') },
    "'__proto__' is no setting",
    "'constructor' is no setting",
  );
  refused({ file: file('http: {__proto__: {port: 1}}') }, "'__proto__' in http is no setting");
  assert.equal(({} as Record<string, unknown>)['port'], undefined);
});

test('halves of one thing are given together', () => {
  const tls = (given: object) => ({ flags: { http: { tls: given } } });
  refused(tls({ certificateFile: 'a' }), 'http.tls.certificateFile and http.tls.keyFile are given together');
  refused(tls({ keyFile: 'a' }), 'http.tls.certificateFile and http.tls.keyFile are given together');
  refused(tls({ authorityFile: 'a' }), 'http.tls.authorityFile belongs to http.tls.certificateFile');
  assert.equal(read(tls({ certificateFile: 'a', keyFile: 'b', authorityFile: 'c' })).http.tls.keyFile, 'b');
});

test('a declaration that no operator could follow is none', () => {
  const truth: Setting = { kind: 'truth', standard: true, help: 'Whether it is so' };
  assert.throws(() => settingList({ 'Room.x': truth }), /cannot stand at/);
  assert.throws(() => settingList({ room: { ...truth, help: '' } }), /does not say/);
  assert.throws(
    () => settingList({ room: { kind: 'whole', standard: 3, min: 4, max: 5, help: 'How many there are' } }),
    /when nobody sets it is not a whole number from 4 to 5/,
  );
  const of = (path: string) => settingList({ [path]: truth });
  assert.throws(() => read({}, [of('a.b'), of('a.b')]), /a\.b is declared twice/);
  assert.throws(() => read({}, [of('a.b'), of('aB')]), /declared twice/, 'two would share a variable');
  assert.throws(() => read({}, [of('a'), of('a.b')]), /a\.b stands below the setting a/);
  assert.throws(() => read({}, [of('home')]), /home is declared twice/, 'the command line has that variable');
});
