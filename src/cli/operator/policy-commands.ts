import type { Command } from 'commander';
import { exitCodes, OperatorError } from '../session/errors.js';
import { acting, branch, leaf, print } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';
import type { ApplyFlags } from '../configuration/apply.js';
import type { Session } from '../session/session.js';

type Case = { request: object; expect: 'allow' | 'deny' };

const columns = [
  ['NAME', 'name'],
  ['ACTIVE VERSION', 'activeVersion'],
] as const;

/** `thingward policies`. */
export function policyCommands(): Command {
  return branch('policies', 'what things may do', list(), show(), apply(), test(), download());
}

const list = (): Command =>
  listLeaf('list policies', 'thingward policies list')
    .option('--name-prefix <text>', 'whose name begins with a text')
    .action(
      listing<{ namePrefix?: string }>({
        columns,
        items: ({ client }, flags) => client.each('/v1/policies', { query: pick(flags, 'namePrefix') }),
      }),
    );

const show = (): Command =>
  leaf('show', 'show a policy with its active document', 'thingward policies show telemetry -o yaml')
    .argument('<name>', 'its name')
    .action(
      acting(async (session, _flags, name) =>
        print(session, await session.client.get('/v1/policies/{name}', { path: { name: name } })),
      ),
    );

const apply = (): Command =>
  leaf(
    'apply',
    'make the policies of a folder those of the server: shows the difference, asks, then changes',
    'thingward policies apply -f policies/',
    'thingward policies apply -f account/ --dry-run',
  )
    .requiredOption(
      '-f, --file <path>',
      'a folder with a policy in each .json or .yaml file, one such file, or a folder of thingward export',
    )
    .option('--dry-run', 'change nothing; the exit code is 1 if there is a difference')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<ApplyFlags & { file: string }>(async (session, { file, ...flags }) => {
        const { applyFiles } = await import('../configuration/apply.js');
        const { placesOf } = await import('../configuration/places.js');
        await applyFiles(session, placesOf(file), flags);
      }),
    );

const test = (): Command =>
  leaf(
    'test',
    'ask saved questions; the exit code is 1 if an answer is another',
    'thingward policies test -f simulations.yaml --policies policies/',
  )
    .requiredOption('-f, --file <path>', 'a file with `cases`: each has `request` and `expect` (allow or deny)')
    .requiredOption('--policies <path>', 'the policies to ask: a folder or a file')
    .action(acting<{ file: string; policies: string }>(simulate));

async function simulate(session: Session, flags: { file: string; policies: string }): Promise<void> {
  const { readDocument } = await import('../configuration/files.js');
  const { readWanted } = await import('../configuration/apply.js');
  const kinds = await import('../configuration/kinds.js');
  const document = (await readDocument(flags.file)) as { cases?: unknown } | null;
  if (!Array.isArray(document?.cases) || document.cases.length > 1000)
    throw new OperatorError(`${flags.file} needs a list named cases, of up to 1000: see docs/cli.md`);
  const cases = document.cases as Case[];
  const wanted = await readWanted({ kind: kinds.policies, path: flags.policies });
  const policies = wanted.map((each) => each.document);
  const { decisions } = await session.client.post('/v1/policies/simulate', {
    body: { policies, requests: cases.map(({ request }) => request) } as never,
  });
  const wrong = decisions
    .map(({ decision, reasons }, n) => ({ case: n + 1, expected: cases[n]!.expect, decision, reasons }))
    .filter(({ expected, decision }) => expected !== decision);
  if (session.out.format === 'table') await session.out.write(reportOf(wrong, cases.length));
  else await print(session, { cases: cases.length, differences: wrong });
  if (wrong.length > 0) process.exitCode = exitCodes.difference;
}

function reportOf(wrong: { case: number; expected: string; decision: string; reasons: string[] }[], count: number) {
  const lines = wrong.map(
    ({ case: n, expected, decision, reasons }) =>
      `case ${n}: expected ${expected}, the answer is ${decision} (${reasons.join(', ')})`,
  );
  return `${[...lines, `${count - wrong.length} of ${count} cases are as expected.`].join('\n')}\n`;
}

const download = (): Command =>
  leaf('export', 'write each policy into a file of a folder', 'thingward policies export -f policies/')
    .requiredOption('-f, --file <folder>', 'the folder; files of the same name are replaced')
    .action(
      acting<{ file: string }>(async (session, { file }) => {
        const { exportFiles } = await import('../configuration/export.js');
        const { policies } = await import('../configuration/kinds.js');
        await exportFiles(session, [{ kind: policies, path: file }]);
      }),
    );
