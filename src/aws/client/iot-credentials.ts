import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { AwsFailure, toAwsFailure } from './failure.js';
import type { IotConnection } from './iot-connection.js';

/** The role when there is one, with the server's credentials to assume it; else the server's. */
export function credentialsOf({
  roleArn,
  externalId,
  region,
  stsEndpoint,
  timeoutMs,
}: IotConnection): ReturnType<typeof fromTemporaryCredentials> {
  if (roleArn === undefined) return fromNodeProviderChain();
  const transport = { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true };
  return fromTemporaryCredentials({
    params: { RoleArn: roleArn, ExternalId: externalId, RoleSessionName: `thingward-${externalId}`.slice(0, 64) },
    clientConfig: {
      region,
      maxAttempts: 1,
      requestHandler: transport,
      ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }),
    },
  });
}

type StsOptions = NonNullable<ConstructorParameters<typeof STSClient>[0]>;

/**
 * Resolves once the credentials, of the role where there is one, proved to be of the account, and its place is held: a
 * role was taken with its ExternalId then. @throws AwsFailure `account` when they cannot be had, or are those of another account
 */
export async function requireAccount(
  { awsAccount, region, roleArn, stsEndpoint, hold }: IotConnection,
  common: StsOptions,
): Promise<void> {
  const call = roleArn === undefined ? 'GetCallerIdentity' : 'AssumeRole';
  const client = new STSClient({ ...common, ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }) });
  try {
    const { Account } = await client.send(new GetCallerIdentityCommand({}));
    const message = `the credentials belong to the AWS account ${Account}, not to ${awsAccount}: correct one of them, then POST /v1/aws/retry`;
    if (Account !== awsAccount) throw new AwsFailure('account', call, message);
  } catch (error) {
    throw error instanceof AwsFailure ? error : toAwsFailure('sts', call, region, error);
  } finally {
    client.destroy();
  }
  await hold();
}
