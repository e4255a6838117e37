/** How to reach the AWS account of a mirror. */
export type IotConnection = {
  awsAccount: string;
  region: string;
  roleArn: string | undefined;
  /** What the role's trust policy asks for: the account here, so that nobody can make Thingward act on another's role. */
  externalId: string;
  endpoint: string | undefined;
  stsEndpoint: string | undefined;
  timeoutMs: number;
  /** Takes the place, once the credentials proved to be of it. Nothing is called before. */
  hold(): Promise<void>;
  /** Aborts when the time of a call is up. */
  limit(ms: number): AbortSignal;
};
