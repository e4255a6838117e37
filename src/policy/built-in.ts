import type { PolicyDocument, Statement } from './document.js';
import { days } from './document.js';

/** What of an account shapes its built-in policies. */
export type BuiltInSettings = { timeZone: string; clientIdForm: 'thing' | 'account:thing' };

/** The policies that every account starts with: `sensor`, `actuator` and `camera`, each version 1. */
export function builtInPolicies(settings: BuiltInSettings): PolicyDocument[] {
  const common = ownTopics(settings);
  const control: Statement = {
    id: 'control',
    effect: 'allow',
    actions: ['read', 'write', 'execute'],
    resources: ['endpoint:control_endpoint', 'endpoint:status_endpoint'],
    condition: { timeWindows: [{ from: '06:00', to: '22:00', days: [...days], timeZone: settings.timeZone }] },
  };
  return [
    {
      name: 'sensor',
      dataSensitivity: 'medium',
      statements: [...common, endpoints('data', ['read', 'send_telemetry'], ['telemetry_endpoint', 'config_endpoint'])],
    },
    { name: 'actuator', dataSensitivity: 'high', statements: [...common, control] },
    {
      name: 'camera',
      dataSensitivity: 'high',
      statements: [
        ...common,
        endpoints('media', ['read', 'stream', 'capture'], ['media_endpoint', 'storage_endpoint']),
      ],
    },
  ];
}

function ownTopics({ clientIdForm }: BuiltInSettings): Statement[] {
  const clientId = clientIdForm === 'thing' ? 'client:${thing.name}' : 'client:${account}:${thing.name}';
  return [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: [clientId] },
    {
      id: 'telemetry',
      effect: 'allow',
      actions: ['publish'],
      resources: ['topic:${account}/${thing.name}/telemetry/#'],
    },
    {
      id: 'own-topics',
      effect: 'allow',
      actions: ['subscribe', 'receive'],
      resources: ['topic:${account}/${thing.name}/#'],
    },
  ];
}

function endpoints(id: string, actions: string[], names: string[]): Statement {
  return { id, effect: 'allow', actions, resources: names.map((name) => `endpoint:${name}`) };
}
