import type { Command } from 'commander';
import type { ApplyFlags } from '../configuration/apply.js';
import { acting, leaf } from './leaf.js';

/** `thingward export` and `thingward import`. */
export function configurationCommands(): Command[] {
  return [download(), upload()];
}

const download = (): Command =>
  leaf(
    'export',
    'write the configuration of the account into a folder, for git: policies, segments, groups, enrollments without tokens',
    'thingward export -f account/',
  )
    .requiredOption('-f, --file <folder>', 'the folder; files of the same name are replaced')
    .action(
      acting<{ file: string }>(async (session, { file }) => {
        const { exportFiles, placesIn } = await import('../configuration/export.js');
        const { kinds } = await import('../configuration/kinds.js');
        await exportFiles(session, placesIn(file, kinds));
      }),
    );

const upload = (): Command =>
  leaf(
    'import',
    'make the configuration of a folder that of the account: shows the difference, asks, then changes',
    'thingward import -f account/ --dry-run',
    'thingward import -f account/ --yes',
  )
    .requiredOption(
      '-f, --file <folder>',
      'a folder with policies/, segments/, groups/ and enrollments/, or some of them',
    )
    .option('--dry-run', 'change nothing; the exit code is 1 if there is a difference')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<ApplyFlags & { file: string }>(async (session, { file, ...flags }) => {
        const { placesIn } = await import('../configuration/export.js');
        const { isThere } = await import('../configuration/files.js');
        const { kinds } = await import('../configuration/kinds.js');
        const { applyFiles } = await import('../configuration/apply.js');
        const { OperatorError } = await import('../session/errors.js');
        const places = placesIn(file, kinds).filter(({ path }) => isThere(path));
        if (places.length === 0)
          throw new OperatorError(
            `${file} has no policies/, segments/, groups/ or enrollments/: name a folder of thingward export`,
          );
        await applyFiles(session, places, flags);
      }),
    );
