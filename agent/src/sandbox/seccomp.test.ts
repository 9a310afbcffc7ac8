// The filter, as the kernel applies it inside a real sandbox, and as a program for the architecture that is not this one.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { absentCalls, deniedCalls, type FilteredArch, isFilteredArch, seccompProgram } from './seccomp.ts';
import { python, runJob, skipReason, startUpstream, type Upstream } from './testing.ts';

const EPERM = 1;
const EOPNOTSUPP = 95;
const ENOSYS = 38;

/** Interprets a filter as the kernel would: the verdict for one call. An independent reading of the instruction set. */
function evaluate(program: Buffer, call: { arch: number; number: number; args?: readonly number[] }): number {
  const words = new Map<number, number>([
    [0, call.number],
    [4, call.arch],
  ]);
  (call.args ?? []).forEach((value, index) => {
    words.set(16 + index * 8, value);
  });
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at += 1) {
    const code = program.readUInt16LE(at * 8);
    const [yes, no, value] = [program[at * 8 + 2] ?? 0, program[at * 8 + 3] ?? 0, program.readUInt32LE(at * 8 + 4)];
    if (code === 0x06) return value;
    if (code === 0x20) accumulator = words.get(value) ?? 0;
    else if (code === 0x15) at += accumulator === value ? yes : no;
    else if (code === 0x35) at += accumulator >= value ? yes : no;
    else if (code === 0x45) at += (accumulator & value) !== 0 ? yes : no;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the program ended without a verdict');
}

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const refuse = (errno: number): number => 0x00050000 | errno;

for (const [arch, audit, clone, clone3, socket, ioctl] of [
  ['x64', 0xc000003e, 56, 435, 41, 16],
  ['arm64', 0xc00000b7, 220, 435, 198, 29],
] as const satisfies readonly (readonly [FilteredArch, number, number, number, number, number])[]) {
  describe(`the ${arch} filter`, () => {
    const program = seccompProgram(arch);
    const verdict = (number: number, ...args: readonly number[]): number =>
      evaluate(program, { arch: audit, number, args });

    it('refuses every listed call and kills foreign instruction sets', () => {
      for (const [name, number] of deniedCalls(arch)) assert.equal(verdict(number), refuse(EPERM), name);
      for (const [name, number] of absentCalls(arch)) assert.equal(verdict(number), refuse(ENOSYS), name);
      assert.equal(evaluate(program, { arch: 0x40000003, number: 0 }), KILL);
      assert.equal(verdict(0x40000000 + 1), KILL);
    });

    it('allows threads and forks, and refuses each kind of new namespace', () => {
      assert.equal(verdict(clone, 0x003d0f00), ALLOW);
      assert.equal(verdict(clone, 17), ALLOW);
      for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
        assert.equal(verdict(clone, flag | 17), refuse(EPERM), flag.toString(16));
      }
      assert.equal(verdict(clone3), refuse(ENOSYS));
    });

    it('allows local and internet sockets only, and no terminal injection', () => {
      for (const family of [1, 2, 10]) assert.equal(verdict(socket, family), ALLOW);
      for (const family of [0, 3, 16, 17, 38, 40, 44]) assert.equal(verdict(socket, family), refuse(EOPNOTSUPP));
      assert.equal(verdict(ioctl, 0, 0x5412), refuse(EPERM));
      assert.equal(verdict(ioctl, 0, 0x541c), refuse(EPERM));
      assert.equal(verdict(ioctl, 0, 0x5401), ALLOW);
    });

    it('fits the kernel limit and allows what it does not list', () => {
      assert.ok(program.length / 8 < 4096);
      assert.equal(verdict(arch === 'x64' ? 0 : 63), ALLOW);
    });
  });
}

describe('the filter in a sandbox', { skip: skipReason }, () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startUpstream();
  });
  after(() => upstream.close());

  it('refuses every listed call with its answer, in the kernel', async () => {
    assert.ok(isFilteredArch(process.arch));
    const [denied, absent] = [deniedCalls(process.arch), absentCalls(process.arch)];
    const calls = [...denied, ...absent];
    const program = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, number in ${JSON.stringify(calls)}:
    ctypes.set_errno(0)
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    print(name, result, ctypes.get_errno())
`;
    const { output, end } = await runJob(upstream, python(program));
    assert.equal(end.exitCode, 0, output());
    for (const [name] of denied) assert.match(output(), new RegExp(`^${name} -1 ${EPERM}$`, 'm'));
    for (const [name] of absent) assert.match(output(), new RegExp(`^${name} -1 ${ENOSYS}$`, 'm'));
  });

  it('refuses new user namespaces in every spelling, while threads, forks and subprocesses work', async () => {
    const x64 = process.arch === 'x64';
    const program = `
import ctypes, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    ctypes.set_errno(0)
    return libc.syscall(*args), ctypes.get_errno()
print("clone", call(${x64 ? 56 : 220}, 0x10000000 | 17, 0, 0, 0, 0))
print("clone3", call(435, 0, 0))
done = []
thread = threading.Thread(target=lambda: done.append(1)); thread.start(); thread.join()
print("thread", done, "subprocess", subprocess.run(["/bin/echo", "x"], capture_output=True).stdout)
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_STREAM if family < 16 else socket.SOCK_RAW).close(); print("socket", int(family), "ok")
    except OSError as e:
        print("socket", int(family), e.errno)
print("nested", subprocess.run(["/usr/bin/unshare", "-Ur", "true"], capture_output=True).returncode)
`;
    const { output, end } = await runJob(upstream, python(program));
    assert.equal(end.exitCode, 0, output());
    assert.match(output(), /clone \(-1, 1\)\nclone3 \(-1, 38\)\nthread \[1\] subprocess b'x\\n'/);
    for (const family of [1, 2]) assert.match(output(), new RegExp(`^socket ${family} ok$`, 'm'));
    for (const family of [16, 17, 38, 40]) assert.match(output(), new RegExp(`^socket ${family} 95$`, 'm'));
    assert.match(output(), /nested 1/);
  });

  it('leaves the shared memory of Python: mappings, semaphores and segments in the bounded /dev/shm', async () => {
    const program = `
import mmap, multiprocessing as mp, os
from multiprocessing import shared_memory
shared = mmap.mmap(-1, 4096)
segment = shared_memory.SharedMemory(create=True, size=4096)
queue, lock = mp.SimpleQueue(), mp.Lock()
def work():
    with lock: shared[0] = segment.buf[0] = 7
    queue.put("said")
child = mp.get_context("fork").Process(target=work); child.start(); child.join()
print(shared[0], segment.buf[0], queue.get()); segment.close(); segment.unlink()
`;
    const { output } = await runJob(upstream, python(program));
    assert.equal(output(), '7 7 said\n');
  });

  it('kills a process that steps around the numbers by the x32 ABI', { skip: process.arch !== 'x64' }, async () => {
    const program = 'import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39); print("SURVIVED")';
    const { output, end } = await runJob(upstream, `exec ${python(program)}`);
    assert.equal(end.signal, 'SIGSYS');
    assert.doesNotMatch(output(), /SURVIVED/);
  });
});
