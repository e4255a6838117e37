import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** What is no longer needed ends before `first`. No position from `ceiling` on was ever given to a record. */
export type Marked = { first: number; ceiling: number };

const slotOctets = 512;
const usedOctets = 28;

/**
 * The mark of a journal, in a file of two slots that are overwritten in turns: one that is half written leaves the other one. It needs
 * no space on a disk that is full.
 */
export async function openMark(folder: string) {
  const file = await open(join(folder, 'mark'), 'a+', 0o600).then(async (made) => {
    await made.close();
    return open(join(folder, 'mark'), 'r+');
  });
  const bytes = Buffer.alloc(2 * slotOctets);
  await file.read(bytes, 0, bytes.length, 0);
  const found = [readSlot(bytes.subarray(0, slotOctets)), readSlot(bytes.subarray(slotOctets))]
    .flatMap((slot) => (slot ? [slot] : []))
    .sort((one, other) => other.turn - one.turn)[0];
  let turn = found?.turn ?? 0;
  let wanted: Marked = found ?? { first: 0, ceiling: 0 };
  let writing: Promise<void> | undefined;
  let asked = 0;
  let done = 0;

  const write = async (): Promise<void> => {
    const upTo = asked;
    turn++;
    const slot = writeSlot(turn, wanted);
    await file.write(slot, 0, slot.length, (turn % 2) * slotOctets);
    await file.datasync();
    done = upTo;
  };

  return {
    /** What was marked last; undefined where nothing can be read, and whether that is because something was damaged. */
    found: found as Marked | undefined,
    isDamaged: !found && bytes.some((octet) => octet !== 0),

    /** Resolves once this is durable. Marks only grow. */
    async set({ first = 0, ceiling = 0 }: Partial<Marked>): Promise<void> {
      wanted = { first: Math.max(first, wanted.first), ceiling: Math.max(ceiling, wanted.ceiling) };
      const own = ++asked;
      while (done < own) await (writing ??= write().finally(() => (writing = undefined)));
    },

    /** Leaves the file as it is. */
    leave: (): Promise<void> => file.close(),

    /** The ceiling as it is, which lets the next one begin where this one ended. */
    async end(ceiling: number): Promise<void> {
      await writing?.catch(() => {});
      wanted = { first: wanted.first, ceiling };
      asked++;
      try {
        await write();
      } finally {
        await file.close();
      }
    },
  };
}

function writeSlot(turn: number, { first, ceiling }: Marked): Buffer {
  const slot = Buffer.alloc(slotOctets);
  slot.write('TWJM', 0, 'latin1');
  slot.writeUIntBE(turn, 4, 6);
  slot.writeUIntBE(first, 12, 6);
  slot.writeUIntBE(ceiling, 18, 6);
  slot.writeUInt32BE(crc32(slot.subarray(0, usedOctets - 4)), usedOctets - 4);
  return slot;
}

function readSlot(slot: Buffer): (Marked & { turn: number }) | undefined {
  if (slot.toString('latin1', 0, 4) !== 'TWJM') return undefined;
  if (crc32(slot.subarray(0, usedOctets - 4)) !== slot.readUInt32BE(usedOctets - 4)) return undefined;
  return { turn: slot.readUIntBE(4, 6), first: slot.readUIntBE(12, 6), ceiling: slot.readUIntBE(18, 6) };
}
