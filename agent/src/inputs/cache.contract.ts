// What a cache of inputs keeps, wherever it lies. Each file is brought by the real program over real TLS, and read in real sandboxes.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { chmod, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { interpreterCandidates } from '../sandbox/host.ts';
import { runJob, startUpstream, type Upstream } from '../sandbox/testing.ts';
import { bringFrom, InputsRefused } from './bring.ts';
import { type InputCache, type InputsUse, NoRoomForInputs, openInputCache, type WantedInputs } from './cache.ts';
import type { Place } from './place.ts';
import { type TestSnapshots, testSnapshots } from './testing.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;
const refusal = (words: RegExp) => (error: unknown) => error instanceof InputsRefused && words.test(error.message);
const noRoom = (words: RegExp) => (error: unknown) => error instanceof NoRoomForInputs && words.test(error.message);

export function inputCacheContract(
  name: string,
  skip: string | false,
  openPlace: (parent: string, bytes: number) => Promise<Place>,
): void {
  describe(`inputs that a node keeps: ${name}`, { skip }, () => {
    let upstream: Upstream;
    let store: TestSnapshots;
    let parent: string;
    let place: Place;
    let cache: InputCache;

    const openWith = async (bytes: number) => {
      const { url, caPem } = upstream;
      place = await openPlace(parent, bytes);
      const start = bringFrom({ url, caPem, interpreter: () => interpreterCandidates()[0] });
      cache = await openInputCache({ folder: place.folder, bytes: place.bytes, start });
    };
    const closeAll = async () => {
      await cache.close();
      await place.close();
      assert.deepEqual(readdirSync(parent), [], 'nothing is left');
    };
    /** Of the workspace `ws`. */
    const wanted = (
      inputs: Readonly<Record<string, ReturnType<TestSnapshots['add']>>>,
      scope = 'ws',
    ): WantedInputs => ({
      scope,
      inputs: new Map(Object.entries(inputs)),
    });
    const add = (id: string, files: Readonly<Record<string, string | Buffer>>, ...tokens: readonly string[]) => {
      for (const token of tokens) store.opens.set(token, (store.opens.get(token) ?? new Set()).add(id));
      return store.add(id, files);
    };
    const use = (of: WantedInputs, token = 'mine', signal = never): Promise<InputsUse> => cache.use(of, token, signal);
    const folderOf = (used: InputsUse, input = 'data'): string => used.folders.get(input) ?? assert.fail('no folder');
    const read = (used: InputsUse, path: string, input = 'data') => readFile(join(folderOf(used, input), path), 'utf8');
    const staged = () => readdir(join(place.folder, 'staging'));
    const kept = () => readdir(join(place.folder, 'kept'));

    before(async () => {
      upstream = await startUpstream();
    });
    beforeEach(async () => {
      store = testSnapshots(upstream.url);
      upstream.handle = store.handle;
      parent = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
      chmodSync(parent, 0o711);
      await openWith(64 * MIB);
    });
    afterEach(async () => {
      await closeAll();
      rmSync(parent, { recursive: true, force: true });
    });
    after(() => upstream.close());

    it('a job reads plain files in folders, changes none of them, and sees nothing else of what is kept', async () => {
      const data = add('s1', { 'a.csv': 'one', 'deep/er/b.csv': 'two', empty: '', 'again.csv': 'one' }, 'mine');
      const other = add('s2', { 'x y%.bin': Buffer.alloc(3 * MIB, 7) }, 'mine');
      const used = await use(wanted({ data, other }));
      const { end, output } = await runJob(
        upstream,
        [
          'cd /job/inputs; find data -type f | sort; cat data/a.csv data/deep/er/b.csv data/again.csv; echo; wc -c < "other/x y%.bin"; wc -c < data/empty',
          'for act in "touch data/new" "rm -f data/a.csv" "mv data data2" "chmod u+w data/a.csv" "ln data/a.csv /job/l" "mkdir data/d"; do $act 2>/dev/null && echo "did $act"; done',
          '(echo x > data/a.csv) 2>/dev/null && echo wrote; (echo x >> other/new) 2>/dev/null && echo wrote',
          "ls /job/inputs; ls data/.. ; python3 -c \"import mmap; f=open('other/x y%.bin','rb'); print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[-1])\"; true",
        ].join('; '),
        { inputs: used.folders },
      );
      assert.deepEqual(end, { exitCode: 0, signal: null, reason: 'exited' }, output());
      assert.equal(
        output(),
        `data/a.csv\ndata/again.csv\ndata/deep/er/b.csv\ndata/empty\nonetwoone\n${3 * MIB}\n0\ndata\nother\ndata\nother\n7\n`,
      );
      assert.equal(await read(used, 'a.csv'), 'one');
      used.release();
    });

    it('a second job has the same file without its being sent again, and the server decides for each', async () => {
      const data = add('s1', { 'a.csv': 'one' }, 'mine', 'second');
      const one = await use(wanted({ data }));
      const two = await use(wanted({ data }), 'second');
      const inode = async (used: InputsUse) => (await stat(join(folderOf(used), 'a.csv'))).ino;
      assert.equal(await inode(one), await inode(two));
      assert.deepEqual(store.asked, ['mine /snapshots/s1', 'mine /snapshots/s1/files/a.csv', 'second /snapshots/s1']);
      one.release();
      two.release();
    });

    it('what lies there opens nothing: not for a token of nobody, of another, nor for one that was refused since', async () => {
      const data = add('s1', { 'a.csv': 'one' }, 'mine');
      const one = await use(wanted({ data }));
      for (const token of ['', 'stranger', 'x\r\ny: z'])
        await assert.rejects(use(wanted({ data }), token), InputsRefused);
      await assert.rejects(use(wanted({ data }), 'stranger'), refusal(/may not be read.*403.*may not read that/));
      store.opens.get('mine')?.delete('s1');
      await assert.rejects(use(wanted({ data })), refusal(/may not be read/));
      // Nor for one that may read another snapshot and says that these files are of it.
      const theirs = add('s3', { 'a.csv': 'two' }, 'liar');
      await assert.rejects(
        use(wanted({ data: { ...data, url: theirs.url } }), 'liar'),
        refusal(/not what the job was told/),
      );
      assert.equal(await read(one, 'a.csv'), 'one');
      one.release();
    });

    it('another workspace neither has it nor can tell that it is there', async () => {
      const data = add('s1', { 'a.csv': 'one' }, 'mine', 'other');
      const one = await use(wanted({ data }));
      const two = await use(wanted({ data }, 'ws2'), 'other');
      assert.equal(store.sent('a.csv'), 2);
      assert.equal((await kept()).length, 2);
      one.release();
      two.release();
    });

    it('two that want one input at once bring it once, whatever else each of them wants', async () => {
      const shared = add('s1', { shared: Buffer.alloc(2 * MIB, 1) }, 'mine', 'second');
      const own = add('s2', { theirs: 't' }, 'second');
      const sending = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      store.answer = (_token, path, response, bytes) => {
        if (path === 'shared') begun.resolve();
        void (path === 'shared' ? sending.promise : Promise.resolve()).then(() => response.writeHead(200).end(bytes));
      };
      const one = use(wanted({ data: shared, again: shared }));
      await begun.promise;
      const two = use(wanted({ data: shared, own }), 'second');
      const three = use(wanted({ data: shared }));
      while (store.sent('theirs') === 0) await new Promise((resolve) => setImmediate(resolve));
      sending.resolve();
      const all = await Promise.all([one, two, three]);
      assert.equal(store.sent('shared'), 1);
      assert.equal(await read(all[1], 'theirs', 'own'), 't');
      assert.equal(new Set([...all.map((each) => folderOf(each)), folderOf(all[0], 'again')]).size, 1);
      for (const each of all) each.release();
    });

    it('who waited for another brings it himself when that one is refused or leaves', async () => {
      const data = add('s1', { big: 'x'.repeat(MIB) }, 'mine', 'second');
      for (const how of ['refused', 'left'] as const) {
        const begun = Promise.withResolvers<ServerAnswer>();
        store.answer = (token, _path, response, bytes) => {
          if (token === 'mine') begun.resolve({ refuse: () => void response.writeHead(403).end() });
          else response.writeHead(200).end(bytes);
        };
        const leaving = new AbortController();
        const one = use(wanted({ data }, how), 'mine', leaving.signal);
        const failed = assert.rejects(one);
        const { refuse } = await begun.promise;
        const two = use(wanted({ data }, how), 'second');
        while (!store.asked.includes('second /snapshots/s1')) await new Promise((resolve) => setImmediate(resolve));
        if (how === 'refused') refuse();
        else leaving.abort(new InputsRefused('It was canceled.'));
        await failed;
        const used = await two;
        assert.equal((await read(used, 'big')).length, MIB);
        used.release();
        assert.deepEqual(await staged(), []);
        store.asked.length = 0;
      }
    });

    it('what is not what it should be is not kept, and does not stay', async () => {
      const bytes = Buffer.alloc(MIB, 3);
      const data = add('s1', { right: bytes }, 'mine');
      for (const [sent, words] of [
        [Buffer.alloc(MIB, 4), /announced digest/],
        [Buffer.concat([bytes, bytes]), /larger than announced/],
      ] as const) {
        store.answer = (_token, _path, response) => void response.writeHead(200).end(sent);
        await assert.rejects(use(wanted({ data })), refusal(words));
        assert.deepEqual([await staged(), await kept()], [[], []]);
      }
      store.answer = undefined;
      const used = await use(wanted({ data }));
      used.release();
    });

    it('a connection that breaks in the middle is tried again from the start', async () => {
      const data = add('s1', { big: Buffer.alloc(3 * MIB, 9) }, 'mine');
      let times = 0;
      store.answer = (_token, _path, response, bytes) => {
        times += 1;
        response.writeHead(200, { 'content-length': bytes.length });
        if (times > 1) return void response.end(bytes);
        response.write(bytes.subarray(0, MIB), () => response.destroy());
      };
      const used = await use(wanted({ data }));
      assert.equal((await stat(join(folderOf(used), 'big'))).size, 3 * MIB);
      assert.equal(times, 2);
      used.release();
    });

    it('the longest unused give way, what is read never does, and what has no room is refused with the numbers', async () => {
      await closeAll();
      await openWith(10 * MIB);
      const of = (id: string, mib: number) => add(id, { file: Buffer.alloc(mib * MIB, id) }, 'mine');
      const [a, b, c, d] = [of('a', 4), of('b', 4), of('c', 4), of('d', 7)];
      const first = await use(wanted({ data: a }));
      (await use(wanted({ data: b }))).release();
      const third = await use(wanted({ data: c }));
      first.release();
      await assert.rejects(use(wanted({ data: d })), noRoom(/7 MiB in 1 files.*10 MiB.*less what jobs read/));
      assert.equal((await kept()).length, 2, 'nobody was pushed out for what has no room');
      third.release();
      const used = await use(wanted({ data: a }));
      assert.equal(store.sent('file'), 3, 'it was kept while the other gave way');
      used.release();
      (await use(wanted({ data: b }))).release();
      assert.equal(store.sent('file'), 4, 'the longest unused had gone');
      await assert.rejects(use(wanted({ data: of('e', 11) })), noRoom(/11 MiB/));
      assert.ok(!store.asked.some((each) => each.includes('snapshots/e')), 'refused before anybody is asked');
    });

    it('a file that was changed is not used: brought anew, or refused while it is read', async () => {
      const data = add('s1', { 'a.csv': 'one' }, 'mine');
      (await use(wanted({ data }))).release();
      const only = async () => join(place.folder, 'kept', (await kept())[0] ?? '', 'a.csv');
      const changes: readonly ((path: string) => Promise<unknown>)[] = [
        (path) => chmod(path, 0o644),
        (path) => rm(path),
        async (path) => {
          await rm(path);
          await symlink('/etc/passwd', path);
        },
        async (path) => {
          await rm(path);
          await writeFile(path, 'other', { mode: 0o444 });
        },
      ];
      for (const [index, change] of changes.entries()) {
        await change(await only());
        const used = await use(wanted({ data }));
        assert.equal(await read(used, 'a.csv'), 'one');
        assert.equal(store.sent('a.csv'), index + 2);
        used.release();
      }
      const reading = await use(wanted({ data }));
      await chmod(await only(), 0o666);
      await assert.rejects(use(wanted({ data })), refusal(/not what was brought/));
      reading.release();
    });

    it('a document with hostile names gets nothing, and no file outside', async () => {
      const { files } = add('s1', { 'a.csv': 'one' }, 'mine');
      const [file] = files;
      assert.ok(file);
      /** As if the server had said so. */
      const said = (...list: readonly { path: string; text: string }[]) => {
        const made = add('s2', Object.fromEntries(list.map(({ path, text }) => [path, text])), 'mine');
        return wanted({ data: made });
      };
      for (const path of ['../a', '/a', 'a//b', 'a/../../b', '.', 'a/', 'a\0b', 'x'.repeat(256)])
        await assert.rejects(use(said({ path, text: 'x' })), refusal(/bad path/), path);
      for (const digest of ['', '../../x', file.sha256.toUpperCase(), `${file.sha256}0`])
        await assert.rejects(
          use(wanted({ data: { url: '', files: [{ ...file, sha256: digest }] } })),
          refusal(/proper digest/),
        );
      for (const scope of ['', '../x', 'a/b'])
        await assert.rejects(use(wanted({ data: add('s1', { a: 'a' }, 'mine') }, scope)), refusal(/no workspace/));
      await assert.rejects(
        use(said({ path: 'a', text: 'x' }, { path: 'a/b', text: 'y' })),
        (error) => error instanceof InputsRefused,
      );
      // Elsewhere than at the server: the token goes nowhere.
      const url = 'https://example.invalid:1/snapshots/s1';
      await assert.rejects(use(wanted({ data: { url, files } })), refusal(/not one of Strongroom's/));
      assert.deepEqual([await staged(), await kept()], [[], []]);
    });

    it('only the agent can change what is kept, and a sandbox passes to what it reads alone', async () => {
      const data = add('s1', { 'd/a.csv': 'one' }, 'mine');
      const used = await use(wanted({ data }));
      const file = statSync(join(folderOf(used), 'd/a.csv'));
      assert.deepEqual([file.mode & 0o777, file.uid], [0o444, process.getuid?.()]);
      assert.equal(statSync(join(place.folder, 'staging')).mode & 0o777, 0o700);
      const passage = statSync(join(place.folder, 'kept')).mode & 0o777;
      assert.equal(passage, process.getuid?.() === 0 ? 0o710 : 0o700);
      used.release();
    });

    it('a node that closes breaks off what is being brought, and removes everything', async () => {
      const data = add('s1', { big: Buffer.alloc(MIB) }, 'mine');
      const begun = Promise.withResolvers<void>();
      store.answer = () => begun.resolve();
      const broken = assert.rejects(use(wanted({ data })), /stops/);
      await begun.promise;
      await cache.close();
      await broken;
    });
  });
}

type ServerAnswer = { readonly refuse: () => void };
