// The system-call filter of the sandbox: a classic BPF program, assembled here so that it can be read as a table.
//
// Promises: a foreign instruction set or the x32 ABI kills the process; every call listed below is refused, with EPERM or, where
// libraries know what to do without it, with ENOSYS: clone3, so that the C library falls back to clone, whose flags a filter sees;
// and sockets of other families than the three with EOPNOTSUPP, which libraries take for a kernel without them.
// It is a deny list: namespaces, the absent capabilities and the empty network do the confining. The filter takes away the
// kernel surface that has been the way out of such namespaces before. It must not allow what depends on memory
// contents: a filter sees registers only.

/** Instruction sets that a filter exists for, as `process.arch` names them. */
export type FilteredArch = 'x64' | 'arm64';

/** [name, x86_64 number, aarch64 number]; null where the architecture never had the call. Source: Linux uapi headers. */
type Call = readonly [name: string, x64: number | null, arm64: number | null];

const DENIED: readonly Call[] = [
  // What the file tree looks like.
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['open_tree', 428, 428],
  ['open_tree_attr', 467, 467],
  ['move_mount', 429, 429],
  ['fsopen', 430, 430],
  ['fsconfig', 431, 431],
  ['fsmount', 432, 432],
  ['fspick', 433, 433],
  ['mount_setattr', 442, 442],
  ['name_to_handle_at', 303, 264],
  ['open_by_handle_at', 304, 265],
  ['quotactl', 179, 60],
  ['quotactl_fd', 443, 443],
  ['swapon', 167, 224],
  ['swapoff', 168, 225],
  ['fanotify_init', 300, 262],
  // Other processes.
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['process_madvise', 440, 440],
  ['kcmp', 312, 272],
  ['pidfd_getfd', 438, 438],
  // New namespaces: the door to kernel code that was written for root.
  ['unshare', 272, 97],
  ['setns', 308, 268],
  // Key rings are not namespaced: without this, the host user's keys could be read.
  ['keyctl', 250, 219],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  // Large, often broken, never needed by a training script.
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['io_uring_setup', 425, 425],
  ['io_uring_enter', 426, 426],
  ['io_uring_register', 427, 427],
  ['personality', 135, 92],
  ['modify_ldt', 154, null],
  ['uselib', 134, null],
  ['lookup_dcookie', 212, 18],
  // The machine itself.
  ['kexec_load', 246, 104],
  ['kexec_file_load', 320, 294],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['create_module', 174, null],
  ['reboot', 169, 142],
  ['settimeofday', 164, 170],
  ['clock_settime', 227, 112],
  ['clock_adjtime', 305, 266],
  ['adjtimex', 159, 171],
  ['sethostname', 170, 161],
  ['setdomainname', 171, 162],
  ['nfsservctl', 180, 42],
  ['acct', 163, 89],
  ['iopl', 172, null],
  ['ioperm', 173, null],
  ['syslog', 103, 116],
  ['vhangup', 153, 58],
];

/** Answered as by a kernel that lacks them; libraries fall back. */
const ABSENT_CALLS: readonly Call[] = [
  ['clone3', 435, 435],
  // Memory that no process maps: nobody's limit counts it, and System V's outlives its process, so that not even the kernel's
  // last resort, killing user processes, would get it back. /dev/shm and shared mappings are there instead.
  ['memfd_create', 319, 279],
  ['memfd_secret', 447, 447],
  ['shmget', 29, 194],
  ['semget', 64, 190],
  ['msgget', 68, 186],
];

interface Machine {
  readonly audit: number;
  readonly clone: number;
  readonly ioctl: number;
  readonly socket: number;
  readonly socketpair: number;
}

const MACHINES: Readonly<Record<FilteredArch, Machine>> = {
  x64: { audit: 0xc000003e, clone: 56, ioctl: 16, socket: 41, socketpair: 53 },
  arm64: { audit: 0xc00000b7, clone: 220, ioctl: 29, socket: 198, socketpair: 199 },
};

// BPF operations: load a 32-bit word, jump if equal / at least / any bit set, mask, return. Source: linux/bpf_common.h.
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

// Verdicts. Source: linux/seccomp.h; the low 16 bits of an errno verdict are the error.
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const REFUSE = 0x00050000 | 1; // EPERM
const ABSENT = 0x00050000 | 38; // ENOSYS
/** Of sockets. ZeroMQ, and with it every Jupyter kernel, ends its process when the interfaces cannot be listed for any other reason. */
const NOT_SUPPORTED = 0x00050000 | 95; // EOPNOTSUPP

// Where struct seccomp_data keeps things; both architectures are little-endian, so the low half of an argument is first.
const NUMBER = 0;
const ARCH = 4;
const ARGUMENT_0_LOW = 16;
const ARGUMENT_1_LOW = 24;

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const ANY_NEW_NAMESPACE = 0x7e020000;
/** The x32 ABI sets this bit in the call number, which would step around a list of plain numbers. */
const X32_BIT = 0x40000000;
/** ioctl requests that push characters into a terminal somebody else reads: TIOCSTI, TIOCLINUX. */
const TERMINAL_INJECTION = [0x5412, 0x541c] as const;
/** AF_UNIX, AF_INET, AF_INET6. */
const SOCKET_FAMILIES = [1, 2, 10] as const;

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number];

const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
const verdict = (value: number): Instruction => [RETURN, 0, 0, value];
/** Falls through when the value differs; no jump is ever longer than one instruction, so the list can grow freely. */
const refuseIfEqual = (value: number, answer = REFUSE): readonly Instruction[] => [
  [JUMP_EQUAL, 0, 1, value],
  verdict(answer),
];

function instructions(arch: FilteredArch, mayChroot: boolean): readonly Instruction[] {
  const machine = MACHINES[arch];
  const list: Instruction[] = [
    load(ARCH),
    [JUMP_EQUAL, 1, 0, machine.audit],
    verdict(KILL_PROCESS),
    load(NUMBER),
    [JUMP_AT_LEAST, 0, 1, X32_BIT],
    verdict(KILL_PROCESS),
  ];
  for (const [name, number] of deniedCalls(arch))
    if (!(mayChroot && name === 'chroot')) list.push(...refuseIfEqual(number));
  for (const [, number] of absentCalls(arch)) list.push(...refuseIfEqual(number, ABSENT));
  // order matters: each block below loads an argument over the call number, so each ends in a verdict.
  const onCall = (number: number, block: readonly Instruction[]): void => {
    list.push([JUMP_EQUAL, 0, block.length, number], ...block);
  };
  onCall(machine.clone, [
    load(ARGUMENT_0_LOW),
    [JUMP_ANY_BIT, 0, 1, ANY_NEW_NAMESPACE],
    verdict(REFUSE),
    verdict(ALLOW),
  ]);
  onCall(machine.ioctl, [
    load(ARGUMENT_1_LOW),
    ...TERMINAL_INJECTION.flatMap((request) => refuseIfEqual(request)),
    verdict(ALLOW),
  ]);
  for (const number of [machine.socket, machine.socketpair]) {
    onCall(number, [
      load(ARGUMENT_0_LOW),
      ...SOCKET_FAMILIES.flatMap((family) => refuseIfEqual(family, ALLOW)),
      verdict(NOT_SUPPORTED),
    ]);
  }
  list.push(verdict(ALLOW));
  return list;
}

/** True when `seccompProgram` has a filter for the architecture. */
export function isFilteredArch(arch: string): arch is FilteredArch {
  return arch === 'x64' || arch === 'arm64';
}

/**
 * The filter as the kernel reads it: 8 bytes an instruction (u16 code, u8 true, u8 false, u32 value), little-endian. `mayChroot`
 * is for a sandbox with the root of an image: process 1 lets what becomes the user's enter it. Whatever runs in there has no
 * capability for another one, and no user namespace that would give it one.
 */
export function seccompProgram(arch: FilteredArch, mayChroot = false): Buffer {
  const list = instructions(arch, mayChroot);
  const program = Buffer.alloc(list.length * 8);
  list.forEach(([code, whenTrue, whenFalse, value], index) => {
    const at = index * 8;
    program.writeUInt16LE(code, at);
    program.writeUInt8(whenTrue, at + 2);
    program.writeUInt8(whenFalse, at + 3);
    program.writeUInt32LE(value, at + 4);
  });
  return program;
}

/** Name and number. */
type NumberedCall = readonly [name: string, number: number];

const numbered = (calls: readonly Call[], arch: FilteredArch): readonly NumberedCall[] =>
  calls.flatMap(([name, x64, arm64]) => {
    const number = arch === 'x64' ? x64 : arm64;
    return number === null ? [] : [[name, number] as const];
  });

/** The calls of one architecture that are refused with EPERM. */
export const deniedCalls = (arch: FilteredArch): readonly NumberedCall[] => numbered(DENIED, arch);

/** Those that are answered with ENOSYS. */
export const absentCalls = (arch: FilteredArch): readonly NumberedCall[] => numbered(ABSENT_CALLS, arch);
