import type { Line } from '../line/line.js';
import { createObeyer, type Answer } from './obey.js';

/** How commands are carried out. */
export type Serving = {
  /** `ACCOUNT/THING`. */
  thing: string;
  program: string;
  programMs: number;
  /** The clock of the server, milliseconds since 1970. */
  now(): number;
  tell(event: object, text: string): void;
};

const mostAnswers = 200;

/** Carries out the commands that come by a line, and answers them, by another line where the first one broke. */
export function createCommands({ thing, program, programMs, now, tell }: Serving) {
  const prefix = `${thing}/commands/`;
  const answers: Answer[] = [];
  let line: Line | undefined;

  let isFlushing = false;
  const flush = async (): Promise<void> => {
    if (isFlushing) return;
    isFlushing = true;
    for (let answer = answers[0]; answer && line; answer = answers[0]) {
      const payload = Buffer.from(answer.payload, 'utf8');
      const code = await line.publish({ topic: answer.topic, payload, qos: 1, retain: false });
      if (code === undefined) break;
      // A denied answer is denied the next time too. The oldest may have been dropped meanwhile.
      if (answers[0] === answer) answers.shift();
    }
    isFlushing = false;
  };
  const obeyer = createObeyer({
    prefix,
    program,
    ms: programMs,
    now,
    answer(answer) {
      answers.push(answer);
      // The oldest is the least likely to be of use.
      if (answers.length > mostAnswers) answers.shift();
      void flush();
    },
    tell,
  });

  return {
    filter: `${prefix}+`,
    take: obeyer.take,
    /** Answers by this line from now on. */
    use(next: Line): void {
      line = next;
      void flush();
    },
  };
}
