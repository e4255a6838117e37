import { isDeepStrictEqual } from 'node:util';
import { arn, certificateAt, found, page, Refusal, type Handler, type State } from './fake-iot-state.js';

export function thingCalls(state: State): Handler[] {
  const { things, types, groups, certificates } = state;
  const requireThing = ({ attributes, type }: { attributes: Record<string, string>; type: string | undefined }) => {
    if (type !== undefined && !types.has(type)) throw new Refusal(404, 'ResourceNotFoundException');
    if (Object.keys(attributes).length > (type === undefined ? 3 : 50))
      throw new Refusal(400, 'InvalidRequestException');
    for (const [name, value] of Object.entries(attributes))
      if (!/^[a-zA-Z0-9_.,@/:#-]+$/.test(name) || !/^[a-zA-Z0-9_.,@/:#=[\]-]*$/.test(value))
        throw new Refusal(400, 'InvalidRequestException');
  };

  return [
    [
      'POST',
      /^\/things\/([^/]+)$/,
      'CreateThing',
      ([name], { body }) => {
        const thing = { attributes: body?.attributePayload?.attributes ?? {}, type: body?.thingTypeName };
        requireThing(thing);
        const present = things.get(name!);
        if (present && !isDeepStrictEqual(present, thing)) throw new Refusal(409, 'ResourceAlreadyExistsException');
        things.set(name!, thing);
      },
    ],
    [
      'PATCH',
      /^\/things\/([^/]+)$/,
      'UpdateThing',
      ([name], { body }) => {
        const before = found(things.get(name!));
        const { attributes = {}, merge } = body.attributePayload ?? {};
        const type = body.removeThingType ? undefined : (body.thingTypeName ?? before.type);
        const thing = { attributes: merge ? { ...before.attributes, ...attributes } : attributes, type };
        requireThing(thing);
        things.set(name!, thing);
      },
    ],
    [
      'GET',
      /^\/things\/([^/]+)$/,
      'DescribeThing',
      ([name]) => {
        const { attributes, type } = found(things.get(name!));
        return { thingName: name, attributes, thingTypeName: type };
      },
    ],
    [
      'DELETE',
      /^\/things\/([^/]+)$/,
      'DeleteThing',
      ([name]) => {
        if ([...certificates.values()].some(({ thing }) => thing === name))
          throw new Refusal(400, 'InvalidRequestException');
        things.delete(name!);
        for (const members of groups.values()) members.delete(name!);
      },
    ],
    [
      'GET',
      /^\/things$/,
      'ListThings',
      (_, { query }) =>
        page(state, [...things.keys()], query.get('nextToken'), 'things', 'nextToken', (thingName) => {
          const { attributes, type } = things.get(thingName)!;
          return { thingName, attributes, thingTypeName: type };
        }),
    ],
    [
      'POST',
      /^\/thing-types\/([^/]+)$/,
      'CreateThingType',
      ([name]) => {
        if (types.has(name!)) throw new Refusal(409, 'ResourceAlreadyExistsException');
        types.add(name!);
      },
    ],
    [
      'POST',
      /^\/thing-groups\/([^/]+)$/,
      'CreateThingGroup',
      ([name]) => void (groups.has(name!) || groups.set(name!, new Set())),
    ],
    [
      'PUT',
      /^\/thing-groups\/addThingToThingGroup$/,
      'AddThingToThingGroup',
      (_, { body }) => {
        found(things.get(body.thingName));
        found(groups.get(body.thingGroupName)).add(body.thingName);
      },
    ],
    [
      'GET',
      /^\/thing-groups\/([^/]+)\/things$/,
      'ListThingsInThingGroup',
      ([name], { query }) =>
        page(state, [...found(groups.get(name!))], query.get('nextToken'), 'things', 'nextToken', (each) => each),
    ],
    [
      'PUT',
      /^\/things\/([^/]+)\/principals$/,
      'AttachThingPrincipal',
      ([name], { principal, query }) => {
        found(things.get(name!));
        const certificate = certificateAt(state, principal);
        const isElsewhere = certificate.thing !== undefined && certificate.thing !== name;
        if (isElsewhere && query.get('thingPrincipalType') === 'EXCLUSIVE_THING')
          throw new Refusal(400, 'InvalidRequestException');
        certificate.thing = name;
      },
    ],
    [
      'DELETE',
      /^\/things\/([^/]+)\/principals$/,
      'DetachThingPrincipal',
      ([name], { principal }) => {
        found(things.get(name!));
        state.leaving.push({
          certificate: certificateAt(state, principal),
          thing: name!,
          after: state.calls.length + 2,
        });
      },
    ],
    [
      'GET',
      /^\/things\/([^/]+)\/principals$/,
      'ListThingPrincipals',
      ([name], { query }) => {
        found(things.get(name!));
        const ids = [...certificates].filter(([, { thing }]) => thing === name).map(([id]) => id);
        return page(state, ids, query.get('nextToken'), 'principals', 'nextToken', (id) => arn('cert', id));
      },
    ],
    [
      'GET',
      /^\/principals\/things$/,
      'ListPrincipalThings',
      (_, { principal }) => {
        const { thing } = certificateAt(state, principal);
        return { things: thing === undefined ? [] : [thing] };
      },
    ],
  ];
}
