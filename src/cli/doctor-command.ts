import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { systemClock } from '../clock.js';
import { programNames, type Finding, type ProgramName } from './doctor/finding.js';

type Flags = { as?: ProgramName; json?: boolean };
type Examined = { file: string; program: ProgramName; findings: Finding[] };

const mostOctets = 16 * 1024 * 1024;

/** The `thingward doctor` command. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find what in the settings of a broker or proxy would let a revoked device in')
    .argument(
      '<file...>',
      'mosquitto.conf, emqx.conf, nanomq.conf, rabbitmq.conf, vernemq.conf, nginx.conf, haproxy.cfg, envoy.yaml, Caddyfile',
    )
    .addOption(
      new Option('--as <program>', 'whose settings they are, where the name of the file does not tell').choices(
        programNames,
      ),
    )
    .option('--json', 'print an array of files with their findings')
    .addHelpText(
      'after',
      '\nThe exit code is 1 if there is a finding, or a file cannot be read.\n\nExample:\n  thingward doctor /etc/mosquitto/mosquitto.conf /etc/nginx/nginx.conf',
    )
    .action(runDoctor);
}

async function runDoctor(files: string[], { as, json = false }: Flags): Promise<void> {
  const { examine, programOf } = await import('./doctor/doctor.js');
  const examined = files.map((file): Examined => {
    const text = textOf(file);
    const program = as ?? programOf(file, text);
    if (!program)
      throw new DoctorError(
        `${file}: it is not clear whose settings these are; say so with --as ${programNames.join('|')}`,
      );
    try {
      return { file, program, findings: examine(program, text, { read: readBeside(file), now: systemClock() }) };
    } catch (error) {
      throw new DoctorError(`${file} cannot be read as settings of ${program}: ${(error as Error).message}`);
    }
  });
  process.stdout.write(json ? `${JSON.stringify(examined, undefined, 2)}\n` : inWords(examined));
  if (examined.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
}

/** What ends the command with a sentence. */
class DoctorError extends Error {
  override readonly name = 'DoctorError';
}

function textOf(file: string): string {
  try {
    if (statSync(file).size > mostOctets) throw new Error('it has more than 16 MiB');
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new DoctorError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Reads files that settings name, relative to those. */
function readBeside(file: string): (path: string) => Buffer | undefined {
  return (path) => {
    try {
      const place = resolve(dirname(file), path);
      const found = statSync(place);
      // HAZARD: a device or a pipe that settings name has no end.
      return found.isFile() && found.size <= mostOctets ? readFileSync(place) : undefined;
    } catch {
      return undefined;
    }
  };
}

function inWords(examined: readonly Examined[]): string {
  const lines = examined.flatMap(({ file, program, findings }) => [
    ...findings.flatMap(({ rule, line, harm, write }) => [
      `${file}:${line}: ${harm} [${rule}]`,
      ...write.split('\n').map((text) => `    ${text}`),
    ]),
    findings.length === 0 ? `${file}: nothing found, as settings of ${program}` : '',
  ]);
  const total = examined.reduce((sum, { findings }) => sum + findings.length, 0);
  const summary = total === 0 ? 'No findings.' : `${total} ${total === 1 ? 'finding' : 'findings'}.`;
  return `${lines.filter(Boolean).join('\n')}\n\n${summary}\n`;
}
