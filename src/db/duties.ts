import { addSeconds } from '../clock.js';
import { sql, type Database } from './client.js';

/** What one instance does at a time, and for how long nobody else takes it from one that says nothing. */
export type Duty = { name: string; holder: string; seconds: number };

/** Takes or keeps a duty. False while another instance has it. */
export async function takeDuty(db: Database, { name, holder, seconds }: Duty, at: Date): Promise<boolean> {
  const count = await db.$executeRaw(sql`
    INSERT INTO duties AS d (name, holder, held_until) VALUES (${name}, ${holder}::uuid, ${addSeconds(at, seconds)})
    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, held_until = EXCLUDED.held_until
    WHERE d.holder = EXCLUDED.holder OR d.held_until <= ${at}`);
  return count === 1;
}

/** Notes that a duty was done up to a time, if this instance still has it. */
export async function noteDone(db: Database, { name, holder }: Duty, at: Date): Promise<void> {
  await db.duty.updateMany({ where: { name, holder }, data: { doneAt: at } });
}

/** When a duty was last done by whoever had it. */
export async function lastDone(db: Database, name: string): Promise<Date | undefined> {
  return (await db.duty.findUnique({ where: { name } }))?.doneAt ?? undefined;
}

/** Lets another instance take a duty at once. */
export async function leaveDuty(db: Database, { name, holder }: Duty, at: Date): Promise<void> {
  await db.duty.updateMany({ where: { name, holder }, data: { heldUntil: at } });
}
