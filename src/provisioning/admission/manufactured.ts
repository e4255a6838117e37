/** What a device proved by the certificate of its manufacturer. */
export type Manufactured = {
  /** The name of the thing that it becomes. */
  name: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the certificate, lower-case hex. */
  keySha256: string;
  /** SHA-256 of the certificate. */
  fingerprint: string;
  serialNumber: string;
  /** In one line, as people read it. */
  subject: string;
};
