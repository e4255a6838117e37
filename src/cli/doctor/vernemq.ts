import { type Finding, harms, inOrder, type Rules } from './finding.js';
import { listFindings } from './lists.js';
import { isOn, lastOf, readSettings, type Setting } from './plain-settings.js';
import { hostOf, isClear, isLocal } from './reach.js';

const hooks = ['auth_on_register', 'auth_on_publish', 'auth_on_subscribe'];

/** vernemq.conf, with the plugin vmq_webhooks. */
export const vernemq: Rules = (text, around) => {
  const settings = readSettings(text, '=');
  const findings: Finding[] = [];
  for (const setting of settings) {
    const { name, value, line } = setting;
    if (name === 'allow_anonymous' && isOn(setting))
      findings.push({
        rule: 'vernemq/anonymous',
        line,
        harm: 'who names no user is let in, and no hook is asked: a revoked device too',
        write: 'allow_anonymous = off',
      });
    else if (name === 'allow_register_during_netsplit' && isOn(setting))
      findings.push({
        rule: 'vernemq/netsplit',
        line,
        harm: 'while nodes do not see one another, a client that was ended on one is taken in by another',
        write: 'allow_register_during_netsplit = off',
      });
    else if (/^listener\.(tcp|ws)\.[^.]+$/.test(name) && !isLocal(hostOf(value)))
      findings.push({
        rule: 'vernemq/plain-listener',
        line,
        harm: harms.plainListener,
        write: `${name} = 127.0.0.1:${value.slice(value.lastIndexOf(':') + 1)}`,
      });
    else if (/^vmq_webhooks\.[^.]+\.endpoint$/.test(name) && isClear(value))
      findings.push({
        rule: 'vernemq/clear-server',
        line,
        harm: 'passwords and tokens are sent to Thingward in the clear, and anybody on the way can answer "ok"',
        write: `${name} = ${value.replace(/^http:/i, 'https:')}`,
      });
  }
  for (const setting of settings.filter(({ name }) => /^listener\.(ssl|wss)\.[^.]+$/.test(name)))
    findings.push(...certificates(setting, settings, around));
  return inOrder([...findings, ...plugins(settings)]);
};

function certificates({ name, line }: Setting, settings: readonly Setting[], around: Parameters<Rules>[1]): Finding[] {
  const kind = name.split('.').slice(0, 2).join('.');
  const of = (what: string) => lastOf(settings, `${name}.${what}`) ?? lastOf(settings, `${kind}.${what}`);
  const asks = settings.some(({ value }) => hooks.includes(value) || hooks.includes(value.replace(/_m5$/, '')));
  const required = of('require_certificate');
  const list = of('crlfile');
  if (!isOn(required))
    return asks
      ? []
      : [
          {
            rule: 'vernemq/certificate-optional',
            line: required?.line ?? line,
            harm: harms.certificateOptional,
            write: `${name}.require_certificate = on`,
          },
        ];
  if (list)
    return listFindings({ program: 'vernemq', line: list.line, path: list.value, around }, of('cafile')?.value, 'leaf');
  return [
    {
      rule: 'vernemq/no-list',
      line: required!.line,
      harm: 'no list of revoked certificates is read: TLS lets a revoked device in until its certificate ends',
      write: `${name}.crlfile = /etc/vernemq/bundle.pem`,
    },
  ];
}

/** Where a hook is missing, the plugins that are left answer, or nobody does. */
function plugins(settings: readonly Setting[]): Finding[] {
  const webhooks = lastOf(settings, 'plugins.vmq_webhooks');
  if (!isOn(webhooks)) return [];
  const findings: Finding[] = [];
  for (const name of ['plugins.vmq_acl', 'plugins.vmq_passwd']) {
    const plugin = lastOf(settings, name);
    // On where nothing is said.
    if (plugin && !isOn(plugin)) continue;
    findings.push({
      rule: 'vernemq/other-plugin',
      line: plugin?.line ?? webhooks!.line,
      harm: 'another plugin answers too, and its yes is enough; it is on where nothing is said',
      write: `${name} = off`,
    });
  }
  const given = new Set(settings.filter(({ name }) => /^vmq_webhooks\..*\.hook$/.test(name)).map(({ value }) => value));
  const lacking = hooks.flatMap((hook) => [hook, `${hook}_m5`]).filter((hook) => !given.has(hook));
  if (lacking.length > 0)
    findings.push({
      rule: 'vernemq/hook-missing',
      line: webhooks!.line,
      harm: `Thingward is not asked for ${lacking.join(', ')}`,
      write: lacking
        .map(
          (hook) =>
            `vmq_webhooks.${hook}.hook = ${hook}\nvmq_webhooks.${hook}.endpoint = https://things.example.com/integrations/vernemq`,
        )
        .join('\n'),
    });
  return findings;
}
