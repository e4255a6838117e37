/** How ids of ACME resources are written. */
export const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The URLs of ACME resources at a public URL. */
export function createLinks(publicUrl: string) {
  const base = `${publicUrl}/acme`;
  const accounts = `${base}/account/`;
  return {
    directory: `${base}/directory`,
    newNonce: `${base}/new-nonce`,
    newAccount: `${base}/new-account`,
    newOrder: `${base}/new-order`,
    revokeCert: `${base}/revoke-cert`,
    keyChange: `${base}/key-change`,
    renewalInfo: `${base}/renewal-info`,
    account: (id: string): string => accounts + id,
    orders: (id: string, after?: string): string =>
      `${accounts}${id}/orders${after === undefined ? '' : `?after=${after}`}`,
    order: (id: string): string => `${base}/order/${id}`,
    finalize: (id: string): string => `${base}/order/${id}/finalize`,
    authorization: (id: string): string => `${base}/authorization/${id}`,
    certificate: (serialNumber: string): string => `${base}/certificate/${serialNumber}`,

    /** What a request to `path`, with its query, has to name in `url` (RFC 8555 §6.4). */
    ofRequest: (path: string): string => publicUrl + path,

    /** The id in the URL of an account; undefined for what is none. */
    idOfAccount(url: unknown): string | undefined {
      if (typeof url !== 'string' || !url.startsWith(accounts)) return undefined;
      const id = url.slice(accounts.length);
      return uuidForm.test(id) ? id : undefined;
    },
  };
}

export type Links = ReturnType<typeof createLinks>;
