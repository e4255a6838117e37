/** What becomes of an authority: it waits for its certificate, stands ready, issues, or issues no more. */
export const issuerStatuses = ['waiting', 'prepared', 'active', 'retired'] as const;

/** An authority as it is stored: its key is sealed under the context `issuer:{id}`. */
export type StoredIssuer = {
  id: string;
  account: string;
  kind: 'root' | 'issuing';
  parentId: string | null;
  /** Empty while it waits for a certificate. */
  certificateDer: Buffer;
  /** Empty where the key is elsewhere. */
  sealedKey: Buffer;
  notBefore: Date;
  /** Never later than those of the authorities above it. */
  notAfter: Date;
  status: (typeof issuerStatuses)[number];
  /** Whether its certificate is signed elsewhere. */
  intermediate: boolean;
  /** Who has its key: this server, or somebody else, who signs its list too. */
  keyPlace: 'here' | 'elsewhere';
  activatedAt: Date | null;
  retiredAt: Date | null;
  listSuperseded: boolean;
  /** Lists that new certificates are spread over; 0 for the complete list alone. */
  shards: number;
  /** Whether there is a delta list beside the complete one. */
  deltaList: boolean;
  /** Whether the complete list names its distribution point, which some readers want and others refuse. */
  distributionPoint: boolean;
  /** Seconds that caches may keep lists without asking. */
  listMaxAge: number;
};

/** What an operator may change about an issuer's lists. */
export type ListSettings = Pick<
  StoredIssuer,
  'listSuperseded' | 'shards' | 'deltaList' | 'distributionPoint' | 'listMaxAge'
>;

/** How the lists of an authority are made until somebody says otherwise. */
export const firstSettings: ListSettings = {
  listSuperseded: false,
  shards: 0,
  deltaList: false,
  distributionPoint: false,
  listMaxAge: 0,
};

/** An authority that begins to be. */
export const firstState = {
  status: 'active',
  intermediate: false,
  keyPlace: 'here',
  activatedAt: null,
  retiredAt: null,
} as const;
