import { IoT } from '@aws-sdk/client-iot';
import { DeleteConnectionCommand, IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane';
import type { AwsCall } from './calls.js';
import { AwsFailure, toAwsFailure } from './failure.js';
import type { IotConnection } from './iot-connection.js';
import { credentialsOf, requireAccount } from './iot-credentials.js';
import { inTime, type Send, type SendOptions } from './sending.js';

/** A thing as AWS IoT has it. */
export type AwsThing = { name: string; type: string | undefined; attributes: Record<string, string> };

/** The states of a certificate in AWS IoT that the mirror sets. */
export type AwsCertificateStatus = 'ACTIVE' | 'INACTIVE' | 'REVOKED';
type AwsCertificate = { id: string; arn: string; status: string; pem: string };
/** One page of a list, and the token of the next. */
export type AwsPage<Item> = { items: Item[]; next: string | undefined };

export type IotRegistry = ReturnType<typeof openIotRegistry>;

const pageSize = 250;

/**
 * The IoT registry of one AWS account and region. Every call waits for its turn with `pace`, is made once, and
 * fails as an AwsFailure: repeating is the saga's.
 */
export function openIotRegistry(connection: IotConnection, pace: (call: AwsCall) => Promise<void>) {
  const { region, endpoint, timeoutMs, limit } = connection;
  const transport = { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true };
  const credentials = credentialsOf(connection);
  const common = { region, credentials, maxAttempts: 1, requestHandler: transport };
  const place = { ...common, ...(endpoint === undefined ? {} : { endpoint }) };
  const client = new IoT(place);
  const data = new IoTDataPlaneClient(place);
  let identity: Promise<void> | undefined;

  /** Nothing is written before it is sure that the credentials are of the account that the mirror names. */
  const requireIdentity = (): Promise<void> => {
    identity ??= requireAccount(connection, common).catch((error: unknown) => {
      identity = undefined;
      throw error;
    });
    return identity;
  };

  const call = async <Output>(name: AwsCall, send: Send<Output>): Promise<Output> => {
    await requireIdentity();
    await pace(name);
    try {
      return await inTime(send, limit(timeoutMs));
    } catch (error) {
      throw toAwsFailure('iot', name, region, error);
    }
  };
  /** Undefined instead of the failure `not-found`. */
  const orUndefined = <Output>(work: Promise<Output>): Promise<Output | undefined> =>
    work.catch((error: unknown) => {
      if (error instanceof AwsFailure && error.kind === 'not-found') return undefined;
      throw error;
    });

  /** Every item of a list; undefined when what it is about does not exist. */
  const listAll = <Output>(
    name: AwsCall,
    send: (token: string | undefined, options: SendOptions) => Promise<Output>,
    toPage: (output: Output) => AwsPage<string>,
  ): Promise<string[] | undefined> =>
    orUndefined(all(async (token) => toPage(await call(name, (options) => send(token, options)))));
  const tell = (name: AwsCall, send: Send<unknown>): Promise<void> => call(name, send).then(() => undefined);
  /** What is missing is as it should be. */
  const tellIfThere = (name: AwsCall, send: Send<unknown>): Promise<void> =>
    orUndefined(call(name, send)).then(() => undefined);

  return {
    close: (): void => [client, data].forEach((each) => each.destroy()),

    createThing: ({ name: thingName, type, attributes }: AwsThing) =>
      tell('CreateThing', (options) =>
        client.createThing({ thingName, thingTypeName: type, attributePayload: { attributes } }, options),
      ),

    /** Makes a thing just so: attributes that are not named are taken away. */
    updateThing: ({ name: thingName, type, attributes }: AwsThing) =>
      tell('UpdateThing', (options) =>
        client.updateThing(
          {
            thingName,
            attributePayload: { attributes, merge: false },
            ...(type === undefined ? { removeThingType: true } : { thingTypeName: type }),
          },
          options,
        ),
      ),

    describeThing: async (thingName: string): Promise<AwsThing | undefined> => {
      const found = await orUndefined(call('DescribeThing', (options) => client.describeThing({ thingName }, options)));
      return found && { name: thingName, type: found.thingTypeName, attributes: found.attributes ?? {} };
    },

    deleteThing: (thingName: string) => tell('DeleteThing', (options) => client.deleteThing({ thingName }, options)),

    createThingType: (thingTypeName: string) =>
      tell('CreateThingType', (options) => client.createThingType({ thingTypeName }, options)),

    createGroup: (thingGroupName: string) =>
      tell('CreateThingGroup', (options) => client.createThingGroup({ thingGroupName }, options)),

    addToGroup: (thingGroupName: string, thingName: string) =>
      tell('AddThingToThingGroup', (options) => client.addThingToThingGroup({ thingGroupName, thingName }, options)),

    /** Registers a certificate, under a registered CA when one is given. */
    registerCertificate: async (
      certificatePem: string,
      status: AwsCertificateStatus,
      caCertificatePem?: string,
    ): Promise<{ id: string; arn: string }> => {
      const input = { certificatePem, status };
      const { certificateId, certificateArn } =
        caCertificatePem === undefined
          ? await call('RegisterCertificateWithoutCA', (options) => client.registerCertificateWithoutCA(input, options))
          : await call('RegisterCertificate', (options) =>
              client.registerCertificate({ ...input, caCertificatePem }, options),
            );
      // Without these nothing could be attached, and the certificate would seem to be done.
      if (!certificateId || !certificateArn)
        throw new AwsFailure(
          'transient',
          'RegisterCertificate',
          'RegisterCertificate: AWS did not name the certificate',
        );
      return { id: certificateId, arn: certificateArn };
    },

    /** Registers a CA for devices that say where they connect to (SNI), which needs no proof of its key. */
    registerCa: (caCertificate: string) =>
      tell('RegisterCACertificate', (options) =>
        client.registerCACertificate(
          { caCertificate, certificateMode: 'SNI_ONLY', setAsActive: true, allowAutoRegistration: false },
          options,
        ),
      ),

    describeCertificate: async (certificateId: string): Promise<AwsCertificate | undefined> => {
      const found = await orUndefined(
        call('DescribeCertificate', (options) => client.describeCertificate({ certificateId }, options)),
      );
      const { certificateArn, status, certificatePem } = found?.certificateDescription ?? {};
      return found && { id: certificateId, arn: certificateArn!, status: status!, pem: certificatePem! };
    },

    updateCertificate: (certificateId: string, newStatus: AwsCertificateStatus) =>
      tell('UpdateCertificate', (options) => client.updateCertificate({ certificateId, newStatus }, options)),

    deleteCertificate: (certificateId: string) =>
      tell('DeleteCertificate', (options) => client.deleteCertificate({ certificateId }, options)),

    /** Ends the live connection of a client, without its will; one that is not connected is as it should be. */
    deleteConnection: (clientId: string) =>
      tellIfThere('DeleteConnection', (options) =>
        data.send(new DeleteConnectionCommand({ clientId, preventWillMessage: true }), options),
      ),

    attachPrincipal: (thingName: string, principal: string) =>
      tell('AttachThingPrincipal', (options) =>
        client.attachThingPrincipal({ thingName, principal, thingPrincipalType: 'EXCLUSIVE_THING' }, options),
      ),

    detachPrincipal: (thingName: string, principal: string) =>
      tellIfThere('DetachThingPrincipal', (options) => client.detachThingPrincipal({ thingName, principal }, options)),

    /** Undefined for a thing that does not exist. */
    listPrincipals: (thingName: string) =>
      listAll(
        'ListThingPrincipals',
        (nextToken, options) => client.listThingPrincipals({ thingName, nextToken, maxResults: pageSize }, options),
        ({ principals = [], nextToken: next }) => ({ items: principals, next }),
      ),

    /** The things that a certificate is attached to. */
    listThingsOf: (principal: string) =>
      listAll(
        'ListPrincipalThings',
        (nextToken, options) => client.listPrincipalThings({ principal, nextToken, maxResults: pageSize }, options),
        ({ things = [], nextToken: next }) => ({ items: things, next }),
      ),

    createPolicy: (policyName: string, policyDocument: string) =>
      tell('CreatePolicy', (options) => client.createPolicy({ policyName, policyDocument }, options)),

    /** Its active document; undefined for a policy that does not exist. */
    getPolicy: async (policyName: string): Promise<string | undefined> =>
      (await orUndefined(call('GetPolicy', (options) => client.getPolicy({ policyName }, options))))?.policyDocument,

    /** Adds a version and makes it the active one. */
    createPolicyVersion: (policyName: string, policyDocument: string) =>
      tell('CreatePolicyVersion', (options) =>
        client.createPolicyVersion({ policyName, policyDocument, setAsDefault: true }, options),
      ),

    /** The versions that are not active, oldest first. */
    listIdleVersions: async (policyName: string): Promise<string[]> => {
      const { policyVersions = [] } = await call('ListPolicyVersions', (options) =>
        client.listPolicyVersions({ policyName }, options),
      );
      const idle = policyVersions
        .filter(({ isDefaultVersion }) => !isDefaultVersion)
        .map(({ versionId }) => versionId!);
      return idle.sort((one, other) => Number(one) - Number(other));
    },

    deletePolicyVersion: (policyName: string, policyVersionId: string) =>
      tellIfThere('DeletePolicyVersion', (options) =>
        client.deletePolicyVersion({ policyName, policyVersionId }, options),
      ),

    deletePolicy: (policyName: string) =>
      tellIfThere('DeletePolicy', (options) => client.deletePolicy({ policyName }, options)),

    attachPolicy: (policyName: string, target: string) =>
      tell('AttachPolicy', (options) => client.attachPolicy({ policyName, target }, options)),

    detachPolicy: (policyName: string, target: string) =>
      tellIfThere('DetachPolicy', (options) => client.detachPolicy({ policyName, target }, options)),

    /** The names of the policies of a certificate; undefined for a certificate that does not exist. */
    listAttachedPolicies: (target: string) =>
      listAll(
        'ListAttachedPolicies',
        (marker, options) => client.listAttachedPolicies({ target, marker, pageSize }, options),
        ({ policies = [], nextMarker }) => ({ items: policies.map(({ policyName }) => policyName!), next: nextMarker }),
      ),

    listThings: async (nextToken: string | undefined): Promise<AwsPage<AwsThing>> => {
      const { things = [], nextToken: next } = await call('ListThings', (options) =>
        client.listThings({ nextToken, maxResults: pageSize }, options),
      );
      const items = things.map(({ thingName, thingTypeName, attributes = {} }) => ({
        name: thingName!,
        type: thingTypeName,
        attributes,
      }));
      return { items, next };
    },

    listGroup: async (thingGroupName: string, nextToken: string | undefined): Promise<AwsPage<string>> => {
      const page = await orUndefined(
        call('ListThingsInThingGroup', (options) =>
          client.listThingsInThingGroup({ thingGroupName, nextToken, maxResults: pageSize }, options),
        ),
      );
      return { items: page?.things ?? [], next: page?.nextToken };
    },

    listCertificates: async (marker: string | undefined): Promise<AwsPage<Omit<AwsCertificate, 'pem'>>> => {
      const { certificates = [], nextMarker } = await call('ListCertificates', (options) =>
        client.listCertificates({ marker, pageSize }, options),
      );
      const items = certificates.map(({ certificateId, certificateArn, status }) => ({
        id: certificateId!,
        arn: certificateArn!,
        status: status!,
      }));
      return { items, next: nextMarker };
    },

    listPolicies: async (marker: string | undefined): Promise<AwsPage<string>> => {
      const { policies = [], nextMarker } = await call('ListPolicies', (options) =>
        client.listPolicies({ marker, pageSize }, options),
      );
      return { items: policies.map(({ policyName }) => policyName!), next: nextMarker };
    },

    /** What a policy is attached to. */
    listTargets: (policyName: string) =>
      listAll(
        'ListTargetsForPolicy',
        (marker, options) => client.listTargetsForPolicy({ policyName, marker, pageSize }, options),
        ({ targets = [], nextMarker }) => ({ items: targets, next: nextMarker }),
      ),
  };
}

async function all<Item>(list: (token: string | undefined) => Promise<AwsPage<Item>>): Promise<Item[]> {
  const found: Item[] = [];
  let token: string | undefined;
  do {
    const { items, next } = await list(token);
    found.push(...items);
    token = next;
  } while (token !== undefined);
  return found;
}
