import type { Grantee } from '../../access/grantee.js';
import { exportToAws, type AwsDocument } from '../../policy/aws/export.js';
import type { PolicyDocument } from '../../policy/document.js';
import { renderPolicy, type Principal } from '../../policy/variables.js';
import type { Holder, Refusal } from '../judge.js';

/** What AWS IoT tells a custom authorizer, as far as it matters. */
type AuthorizerEvent = {
  token?: string | undefined;
  protocols?: string[] | undefined;
  protocolData?:
    | {
        mqtt?: { password?: string | undefined } | undefined;
        http?: { headers?: Record<string, string> | undefined } | undefined;
      }
    | undefined;
};

/** What AWS IoT wants of a custom authorizer. */
type AuthorizerResponse = {
  isAuthenticated: boolean;
  principalId: string;
  disconnectAfterInSeconds: number;
  refreshAfterInSeconds: number;
  policyDocuments: AwsDocument[];
};

type Deps = {
  holderOf(caller: Grantee, token: string): Holder | Refusal;
  /** `arn:aws:iot:region:account` of the account's mirror. */
  placeOf(account: string): Promise<string | undefined>;
};

// What AWS takes.
const seconds = { least: 300, most: 86_400 };
const mostDocuments = 10;

export type AwsAuthorizer = ReturnType<typeof createAwsAuthorizer>;

/**
 * Answers for a custom authorizer whose Lambda only passes on: who holds the token, and AWS IoT policies for
 * exactly that thing. The source address is AWS's to compare: ranges travel in the documents.
 */
export function createAwsAuthorizer({ holderOf, placeOf }: Deps) {
  return async (caller: Grantee, event: AuthorizerEvent): Promise<AuthorizerResponse> => {
    const token = tokenOf(event);
    const holder = token === undefined ? 'token-invalid' : holderOf(caller, token);
    if (typeof holder === 'string') return refused;
    if (holder.segment && !holder.segment.speaks(protocolOf(event))) return refused;
    const documents = documentsFor(holder, await placeOf(holder.account));
    if (!documents || documents.length > mostDocuments) return refused;
    const left = Math.floor(holder.left / 1000);
    return {
      isAuthenticated: true,
      // Letters and digits only.
      principalId: holder.thingId.replaceAll('-', ''),
      disconnectAfterInSeconds: Math.min(seconds.most, Math.max(seconds.least, left)),
      refreshAfterInSeconds: seconds.least,
      policyDocuments: documents,
    };
  };
}

const refused: AuthorizerResponse = {
  isAuthenticated: false,
  principalId: 'unknown',
  disconnectAfterInSeconds: seconds.least,
  refreshAfterInSeconds: seconds.least,
  policyDocuments: [],
};

/** The policies of a thing with its own values; undefined when AWS cannot express one of them. */
function documentsFor(holder: Holder, arn: string | undefined): AwsDocument[] | undefined {
  const { account, name, principal, policies, segment } = holder;
  const options = { arn, account, thingName: name, requireAttached: false };
  const exported = policies.map(({ document }) => exportToAws(render(document, principal, account, name), options));
  if (exported.some(({ document }) => !document)) return undefined;
  const outside: AwsDocument[] = segment ? [denyOutside(segment.cidr)] : [];
  return [...outside, ...exported.map(({ document }) => document!)];
}

function render(document: PolicyDocument, principal: Principal, account: string, name: string): PolicyDocument {
  const { type, attributes, serialNumber } = principal;
  const certificate = serialNumber === undefined ? {} : { certificate: { serialNumber } };
  return {
    ...document,
    statements: renderPolicy(document, { account, thing: { name, type, attributes }, ...certificate }),
  };
}

/** A missing address is outside too. */
function denyOutside(cidr: string): AwsDocument {
  const Condition = { NotIpAddress: { 'aws:SourceIp': [cidr] } };
  return { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: ['iot:*'], Resource: ['*'], Condition }] };
}

/** The access token: what AWS took out for the authorizer, the MQTT password, or the bearer of an HTTP request. */
function tokenOf({ token, protocolData }: AuthorizerEvent): string | undefined {
  if (token) return token;
  const password = protocolData?.mqtt?.password;
  if (password) return Buffer.from(password, 'base64').toString('utf8');
  const headers = Object.entries(protocolData?.http?.headers ?? {});
  const authorization = headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1];
  return /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

/** MQTT over HTTP is MQTT over WebSocket; a custom authorizer is always behind TLS. */
function protocolOf({ protocols = [] }: AuthorizerEvent): string {
  if (!protocols.includes('mqtt')) return 'https';
  return protocols.includes('http') ? 'wss' : 'mqtts';
}
