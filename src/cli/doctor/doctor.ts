import { basename } from 'node:path';
import { caddy } from './caddy.js';
import { emqx } from './emqx.js';
import { envoy } from './envoy.js';
import type { Around, Finding, ProgramName, Rules } from './finding.js';
import { haproxy } from './haproxy.js';
import { mosquitto } from './mosquitto.js';
import { nanomq } from './nanomq.js';
import { nginx } from './nginx.js';
import { rabbitmq } from './rabbitmq.js';
import { vernemq } from './vernemq.js';

/** The rules for the settings of each program. */
export const programs: Readonly<Record<ProgramName, Rules>> = {
  mosquitto,
  emqx,
  nanomq,
  rabbitmq,
  vernemq,
  nginx,
  haproxy,
  envoy,
  caddy,
};

const byName: readonly [RegExp, ProgramName][] = [
  [/caddy/i, 'caddy'],
  [/mosquitto/i, 'mosquitto'],
  [/emqx/i, 'emqx'],
  [/nanomq/i, 'nanomq'],
  [/rabbit/i, 'rabbitmq'],
  [/verne/i, 'vernemq'],
  [/haproxy|\.cfg$/i, 'haproxy'],
  [/envoy|\.ya?ml$/i, 'envoy'],
  [/nginx|sites-/i, 'nginx'],
];

const mostLines = 10_000;

// How a line begins that only one of them writes.
const byContent: readonly [RegExp, ProgramName][] = [
  [/^(http|stream|server)\s*\{/, 'nginx'],
  [/^(frontend|backend|listen|defaults)\b/, 'haproxy'],
  [/^static_resources:/, 'envoy'],
  [/^auth\s*[.{=]/, 'nanomq'],
  [/^(authorization|listeners|authentication)\b.*[{=[]/, 'emqx'],
  [/^(mqtt\.|auth_backends\.|ssl_options\.)/, 'rabbitmq'],
  [/^(plugins\.|listener\.(tcp|ssl)\.)/, 'vernemq'],
  [/^(listener|allow_anonymous|plugin|auth_plugin)\s/, 'mosquitto'],
  [/^(forward_auth|reverse_proxy|tls)\b/, 'caddy'],
];

/** Which program a file of settings is for, by its name, else by what is in it; undefined where neither tells. */
export function programOf(path: string, text: string): ProgramName | undefined {
  const [, named] = byName.find(([pattern]) => pattern.test(basename(path))) ?? [];
  if (named) return named;
  const lines = text.split('\n', mostLines).map((line) => line.trimStart());
  return byContent.find(([pattern]) => lines.some((line) => pattern.test(line)))?.[1];
}

/** The findings of a file, in the order of its lines. @throws Error with the line where the file cannot be read as settings */
export function examine(program: ProgramName, text: string, around: Around): Finding[] {
  return programs[program](text.replaceAll('\r\n', '\n'), around);
}
