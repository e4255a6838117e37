import { arn, certificateAt, found, page, Refusal, type Handler, type State } from './fake-iot-state.js';

export function policyCalls(state: State): Handler[] {
  const { policies, certificates } = state;
  const requireDocument = (document: string) => {
    if (document.replace(/\s/g, '').length > 2048) throw new Refusal(400, 'MalformedPolicyException');
    const { Version, Statement } = JSON.parse(document) as { Version: string; Statement: unknown[] };
    if (Version !== '2012-10-17' || Statement.length === 0) throw new Refusal(400, 'MalformedPolicyException');
    return document;
  };

  return [
    [
      'POST',
      /^\/policies\/([^/]+)$/,
      'CreatePolicy',
      ([name], { body }) => {
        if (policies.has(name!)) throw new Refusal(409, 'ResourceAlreadyExistsException');
        policies.set(name!, {
          versions: [{ id: '1', document: requireDocument(body.policyDocument) }],
          active: '1',
          count: 1,
        });
      },
    ],
    [
      'GET',
      /^\/policies\/([^/]+)$/,
      'GetPolicy',
      ([name]) => {
        const { versions, active } = found(policies.get(name!));
        return {
          policyName: name,
          policyDocument: versions.find(({ id }) => id === active)!.document,
          defaultVersionId: active,
        };
      },
    ],
    [
      'DELETE',
      /^\/policies\/([^/]+)$/,
      'DeletePolicy',
      ([name]) => {
        const { versions } = found(policies.get(name!));
        if (versions.length > 1 || [...certificates.values()].some(({ policies: attached }) => attached.has(name!)))
          throw new Refusal(409, 'DeleteConflictException');
        policies.delete(name!);
      },
    ],
    [
      'GET',
      /^\/policies$/,
      'ListPolicies',
      (_, { query }) =>
        page(state, [...policies.keys()], query.get('marker'), 'policies', 'nextMarker', (policyName) => ({
          policyName,
        })),
    ],
    [
      'POST',
      /^\/policies\/([^/]+)\/version$/,
      'CreatePolicyVersion',
      ([name], { body, query }) => {
        const policy = found(policies.get(name!));
        if (policy.versions.length >= 5) throw new Refusal(409, 'VersionsLimitExceededException');
        const id = String(++policy.count);
        policy.versions.push({ id, document: requireDocument(body.policyDocument) });
        if (query.get('setAsDefault') === 'true') policy.active = id;
      },
    ],
    [
      'GET',
      /^\/policies\/([^/]+)\/version$/,
      'ListPolicyVersions',
      ([name]) => {
        const { versions, active } = found(policies.get(name!));
        return { policyVersions: versions.map(({ id }) => ({ versionId: id, isDefaultVersion: id === active })) };
      },
    ],
    [
      'DELETE',
      /^\/policies\/([^/]+)\/version\/([^/]+)$/,
      'DeletePolicyVersion',
      ([name, id]) => {
        const policy = found(policies.get(name!));
        if (policy.active === id) throw new Refusal(409, 'DeleteConflictException');
        policy.versions = policy.versions.filter((version) => version.id !== id);
      },
    ],
    [
      'PUT',
      /^\/target-policies\/([^/]+)$/,
      'AttachPolicy',
      ([name], { body }) => {
        found(policies.get(name!));
        const { policies: attached } = certificateAt(state, body.target);
        if (attached.size >= 10 && !attached.has(name!)) throw new Refusal(410, 'LimitExceededException');
        attached.add(name!);
      },
    ],
    [
      'POST',
      /^\/target-policies\/([^/]+)$/,
      'DetachPolicy',
      ([name], { body }) => void certificateAt(state, body.target).policies.delete(name!),
    ],
    [
      'POST',
      /^\/attached-policies\/(.+)$/,
      'ListAttachedPolicies',
      ([target], { query }) =>
        page(
          state,
          [...certificateAt(state, target!).policies],
          query.get('marker'),
          'policies',
          'nextMarker',
          (policyName) => ({
            policyName,
          }),
        ),
    ],
    [
      'POST',
      /^\/policy-targets\/([^/]+)$/,
      'ListTargetsForPolicy',
      ([name], { query }) => {
        found(policies.get(name!));
        const ids = [...certificates].filter(([, { policies: attached }]) => attached.has(name!)).map(([id]) => id);
        return page(state, ids, query.get('marker'), 'targets', 'nextMarker', (id) => arn('cert', id));
      },
    ],
  ];
}
