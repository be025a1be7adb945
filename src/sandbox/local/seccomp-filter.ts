import type { BpfInstruction } from "./bpf-program.ts";
import { answer, assembleBpf, load, unlessEqual, whenAnyBit, whenAtLeast, whenEqual } from "./bpf-program.ts";

/** What a refused call fails with. */
export const ERRNO = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const;

/** The architectures of Linux that the filter is made for, by the names that Node has for them. */
export type SeccompArchitecture = "x64" | "arm64";

/** `[name, its number on x86_64, its number on aarch64]`; null: there is no such call. */
type Call = readonly [name: string, x64: number | null, arm64: number | null];

/** Calls that look into other processes, change what a box is made of, or speak to parts of the kernel that no agent has business with. */
const FORBIDDEN: readonly Call[] = [
  ["ptrace", 101, 117],
  ["process_vm_readv", 310, 270],
  ["process_vm_writev", 311, 271],
  ["kcmp", 312, 272],
  ["pidfd_getfd", 438, 438],
  ["mount", 165, 40],
  ["umount2", 166, 39],
  ["pivot_root", 155, 41],
  ["chroot", 161, 51],
  ["open_tree", 428, 428],
  ["move_mount", 429, 429],
  ["fsopen", 430, 430],
  ["fsconfig", 431, 431],
  ["fsmount", 432, 432],
  ["fspick", 433, 433],
  ["mount_setattr", 442, 442],
  ["open_tree_attr", 467, 467],
  ["setns", 308, 268],
  ["open_by_handle_at", 304, 265],
  ["add_key", 248, 217],
  ["request_key", 249, 218],
  ["keyctl", 250, 219],
  ["bpf", 321, 280],
  ["perf_event_open", 298, 241],
  ["fanotify_init", 300, 262],
  ["init_module", 175, 105],
  ["finit_module", 313, 273],
  ["delete_module", 176, 106],
  ["kexec_load", 246, 104],
  ["kexec_file_load", 320, 294],
  ["reboot", 169, 142],
  ["swapon", 167, 224],
  ["swapoff", 168, 225],
  ["syslog", 103, 116],
  ["acct", 163, 89],
  ["quotactl", 179, 60],
  ["quotactl_fd", 443, 443],
  ["settimeofday", 164, 170],
  ["clock_settime", 227, 112],
  ["clock_adjtime", 305, 266],
  ["sethostname", 170, 161],
  ["setdomainname", 171, 162],
  ["vhangup", 153, 58],
  ["vmsplice", 278, 75],
  ["iopl", 172, null],
  ["ioperm", 173, null],
  ["modify_ldt", 154, null],
];

/** Calls for which a program has another way once it hears that the kernel does not know them; io_uring would pass by this filter. */
const UNKNOWN: readonly Call[] = [
  ["io_uring_setup", 425, 425],
  ["io_uring_enter", 426, 426],
  ["io_uring_register", 427, 427],
  ["userfaultfd", 323, 282],
  // Its flags lie in memory, where a filter cannot look; the C library goes on with clone.
  ["clone3", 435, 435],
  ["lookup_dcookie", 212, 18],
  ["nfsservctl", 180, 42],
  ["uselib", 134, null],
  ["ustat", 136, null],
  ["_sysctl", 156, null],
];

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64. */
const AUDIT: Readonly<Record<SeccompArchitecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** Calls whose arguments decide. */
const JUDGED = {
  x64: { clone: 56, unshare: 272, ioctl: 16, socket: 41 },
  arm64: { clone: 220, unshare: 97, ioctl: 29, socket: 198 },
} as const;
/** Where x86_64 has the calls of the x32 ABI: the same ones by other numbers. */
const X32 = 0x40000000;

const CLONE_NEWUSER = 0x10000000;
/** Puts characters into a terminal, as if its user had typed them. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others reach what no network namespace holds back (AF_VSOCK: the machine that this one runs on). */
const FAMILIES = [1, 2, 10, 16];

const NUMBER = 0;
const ARCHITECTURE = 4;
/** The low half of an argument; the kernel looks at no more of those that are judged here. */
const argument = (index: number): number => 16 + 8 * index;

const ALLOW = answer(0x7fff0000);
const refuse = (errno: number): BpfInstruction[] => answer(0x00050000 | errno);

/** Every call that the filter refuses whatever its arguments are, with the error that it fails with. */
export function listRefusedCalls(architecture: SeccompArchitecture): { name: string; number: number; errno: number }[] {
  const toEntries = (calls: readonly Call[], errno: number): { name: string; number: number; errno: number }[] =>
    calls.flatMap(([name, x64, arm64]) => {
      const number = architecture === "x64" ? x64 : arm64;
      return number === null ? [] : [{ name, number, errno }];
    });
  return [...toEntries(FORBIDDEN, ERRNO.EPERM), ...toEntries(UNKNOWN, ERRNO.ENOSYS)];
}

/** The filter as a program, for those who want to read it or try it out. */
export function createSeccompProgram(architecture: SeccompArchitecture): BpfInstruction[] {
  const { clone, unshare, ioctl, socket } = JUDGED[architecture];
  const refuseUsers = [...load(argument(0)), ...whenAnyBit(CLONE_NEWUSER, refuse(ERRNO.EPERM)), ...ALLOW];
  return [
    ...load(ARCHITECTURE),
    // Another architecture has other numbers: 32-bit programs do not run in a box.
    ...unlessEqual(AUDIT[architecture], refuse(ERRNO.ENOSYS)),
    ...load(NUMBER),
    ...(architecture === "x64" ? whenAtLeast(X32, refuse(ERRNO.ENOSYS)) : []),
    ...listRefusedCalls(architecture).flatMap(({ number, errno }) => whenEqual(number, refuse(errno))),
    ...whenEqual(clone, refuseUsers),
    ...whenEqual(unshare, refuseUsers),
    ...whenEqual(ioctl, [
      ...load(argument(1)),
      ...[TIOCSTI, TIOCLINUX].flatMap((request) => whenEqual(request, refuse(ERRNO.EPERM))),
      ...ALLOW,
    ]),
    ...whenEqual(socket, [
      ...load(argument(0)),
      ...FAMILIES.flatMap((family) => whenEqual(family, ALLOW)),
      ...refuse(ERRNO.EAFNOSUPPORT),
    ]),
    ...ALLOW,
  ];
}

/**
 * The filter of the system calls of a contained box, as bubblewrap takes it. It stands behind the other walls: what it refuses, a box
 * without capabilities could mostly not use, but each of these calls is a way into the kernel that need not be open.
 *
 * @returns undefined on an architecture for which there is none
 */
export function createSeccompFilter(architecture: string = process.arch): Uint8Array | undefined {
  if (architecture !== "x64" && architecture !== "arm64") return undefined;
  return assembleBpf(createSeccompProgram(architecture));
}
