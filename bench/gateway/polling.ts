import { openStage } from '../edge/stage.js';
import { measurePolls } from './polls.js';
import { measureWaiting } from './waiting.js';

const agents = 100_000;
const days = 30;
const minutes = days * 24 * 60;

/** What 100,000 agents send and get in 30 days in which each gets one command a day: by asking once a minute, and by waiting at an edge. */
export async function benchPolling(): Promise<string> {
  const stage = await openStage();
  try {
    await stage.enroll({ thingNamePattern: '*' });
    const poll = await measurePolls(stage);
    return report(poll, await measureWaiting(stage));
  } finally {
    await stage.stop();
  }
}

type Polls = { kept: number; fresh: number };
type Waiting = { opening: number; life: number; command: number };

function report({ kept, fresh }: Polls, { opening, life, command }: Waiting): string {
  const least = agents * minutes * kept;
  // Signs of life go out twice in the time that was agreed on. A session is opened anew once a day.
  const waiting = (seconds: number): number =>
    agents * (((minutes * 60) / (seconds / 2)) * life + days * (command + opening));
  const row = (what: string, requests: number, octets: number): string =>
    `| ${what} | ${requests.toLocaleString('en-US')} | ${(octets / 1e12).toFixed(3)} | ${(octets / least).toFixed(3)} |`;
  return [
    '| octets of TLS, both ways | |',
    '|---|---:|',
    `| a poll on a connection that is kept | ${kept.toFixed(0)} |`,
    `| a poll on a new connection | ${fresh.toFixed(0)} |`,
    `| to open a session of the agent | ${opening.toFixed(0)} |`,
    `| a sign of life and its answer | ${life.toFixed(0)} |`,
    `| a command and its answer | ${command.toFixed(0)} |`,
    '',
    '| 100,000 agents, 30 days, a command a day | requests | TB | ratio |',
    '|---|---:|---:|---:|',
    row('poll each minute, connection kept', agents * minutes, least),
    row('poll each minute, new connections', agents * minutes, agents * minutes * fresh),
    row('wait, `--keep-alive 60`', agents * days, waiting(60)),
    row('wait, `--keep-alive 600`', agents * days, waiting(600)),
  ].join('\n');
}
