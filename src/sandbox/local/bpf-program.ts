/**
 * A small assembler of classic BPF, the language of seccomp filters (linux/filter.h). A program is a list of instructions that only ever jump
 * forwards over a body, so it needs no labels; a body that ends with an answer never falls out of itself.
 */
export interface BpfInstruction {
  readonly code: number;
  /** How many instructions are passed over where the comparison holds. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly value: number;
}

/** BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K and so on. */
export const BPF_CODE = { load: 0x20, equal: 0x15, atLeast: 0x35, anyBit: 0x45, answer: 0x06 } as const;

/** The 32 bits at a place of `struct seccomp_data`. */
export function load(offset: number): BpfInstruction[] {
  return [{ code: BPF_CODE.load, ifTrue: 0, ifFalse: 0, value: offset }];
}

/** The end of the program. */
export function answer(value: number): BpfInstruction[] {
  return [{ code: BPF_CODE.answer, ifTrue: 0, ifFalse: 0, value }];
}

export function whenEqual(value: number, body: readonly BpfInstruction[]): BpfInstruction[] {
  return branch(BPF_CODE.equal, value, body, "true");
}

export function unlessEqual(value: number, body: readonly BpfInstruction[]): BpfInstruction[] {
  return branch(BPF_CODE.equal, value, body, "false");
}

export function whenAtLeast(value: number, body: readonly BpfInstruction[]): BpfInstruction[] {
  return branch(BPF_CODE.atLeast, value, body, "true");
}

export function whenAnyBit(mask: number, body: readonly BpfInstruction[]): BpfInstruction[] {
  return branch(BPF_CODE.anyBit, mask, body, "true");
}

function branch(
  code: number,
  value: number,
  body: readonly BpfInstruction[],
  runs: "true" | "false",
): BpfInstruction[] {
  if (body.length > 255) throw new RangeError("A jump of BPF passes over at most 255 instructions.");
  const over = body.length;
  return [{ code, value, ifTrue: runs === "true" ? 0 : over, ifFalse: runs === "true" ? over : 0 }, ...body];
}

/** An array of `struct sock_filter`, as the kernel takes it, in the byte order of both architectures that are known here. */
export function assembleBpf(program: readonly BpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, ifTrue, ifFalse, value }] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, value, true);
  }
  return bytes;
}
