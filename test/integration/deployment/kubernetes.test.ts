import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import { expect, it } from 'vitest';
import { secretSettings, settings } from '../../../src/settings/settings.js';
import { describeWith } from '../../support/programs.js';

type Container = {
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string } } }[];
  securityContext: object;
  readinessProbe: object;
  command?: string[];
};
type Rendered = {
  kind: string;
  metadata: { name: string };
  spec: { template: { spec: { containers: Container[]; securityContext: object } } } & Record<string, unknown>;
  data?: Record<string, string>;
};

const chart = 'deploy/helm/thingward';
const required = {
  'image.repository': 'registry.example/thingward',
  'image.tag': '1',
  secretName: 'thingward-secrets',
  publicUrl: 'https://things.example',
  pkiUrl: 'http://pki.example',
};
const everything = {
  ...required,
  'autoscaling.enabled': 'true',
  'serviceMonitor.enabled': 'true',
  'edge.enabled': 'true',
  'edge.secretName': 'edge-secrets',
  'edge.config': 'server: https://things.example\nname: EDGE_NAME\n',
};

function helm(args: string[], values: Record<string, string>) {
  const sets = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  return spawnSync('helm', [...args, '--kube-version', '1.31.0', ...sets], { encoding: 'utf8' });
}

const template = (values: Record<string, string>): string => {
  const { status, stdout, stderr } = helm(['template', 'fleet', chart], values);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
};
const rendered = (text: string): Rendered[] => parseAllDocuments(text).map((document) => document.toJS() as Rendered);

describeWith(['helm', 'kubernetes-validate'], 'the Helm chart', () => {
  it('is accepted by helm lint, and every object by the schemas of Kubernetes', () => {
    const lint = helm(['lint', '--strict', chart], everything);
    expect(lint.status, lint.stdout).toBe(0);
    const judge = (input: string) => spawnSync('kubernetes-validate', ['--strict', '-'], { input, encoding: 'utf8' });
    for (const values of [required, everything]) {
      const text = template(values);
      // The shape of a ServiceMonitor belongs to another project.
      const known = text.split(/^---$/m).filter((each) => !each.includes('monitoring.coreos.com'));
      const judged = judge(known.join('---'));
      expect(judged.status, judged.stdout + judged.stderr).toBe(0);
      expect(judge(text.replaceAll('containerPort', 'containerProt')).status).not.toBe(0);
    }
    expect(
      rendered(template(everything))
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual([
      'ConfigMap',
      'Deployment',
      'HorizontalPodAutoscaler',
      'NetworkPolicy',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceMonitor',
      'StatefulSet',
    ]);
  });

  it('has no default for a secret, an image or an address, and says what is missing', () => {
    for (const name of Object.keys(required)) {
      const { status, stderr } = helm(['template', 'fleet', chart], { ...required, [name]: '' });
      expect(status, name).toBe(1);
      expect(stderr).toContain(`${name}:`);
    }
    expect(rendered(template(everything)).some(({ kind }) => kind === 'Secret')).toBe(false);
  });

  it('sets what the program knows, takes secrets from the Secret alone, and runs without rights', () => {
    const objects = rendered(template(everything));
    const control = objects.find(({ kind }) => kind === 'Deployment')!;
    const [container] = control.spec.template.spec.containers;
    const known = Object.keys(settings);
    for (const { name, value, valueFrom } of container!.env) {
      expect(known, name).toContain(name);
      const isSecret = (secretSettings as readonly string[]).includes(name);
      expect([name, value === undefined]).toEqual([name, isSecret]);
      if (isSecret) expect(valueFrom!.secretKeyRef.name).toBe('thingward-secrets');
    }
    for (const name of ['DATABASE_URL', 'THINGWARD_KEY', 'THINGWARD_PKI_URL', 'THINGWARD_PKI_PORT'])
      expect(container!.env.map((each) => each.name)).toContain(name);
    for (const { spec } of objects.filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind))) {
      expect(spec.template.spec).toMatchObject({
        enableServiceLinks: false,
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const { securityContext, readinessProbe } of spec.template.spec.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(readinessProbe).toMatchObject({ httpGet: { path: '/readyz' } });
      }
    }
    expect(objects.find(({ kind }) => kind === 'ConfigMap')!.data!['edge.yaml']).toBe(
      'server: https://things.example\nname: EDGE_NAME\n',
    );
  });
});
