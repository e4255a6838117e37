import * as der from './der.js';

/** Object identifiers, encoded once. Names as in the RFC that defines each. */
export const oids = {
  // RFC 5480 §2.1.1, RFC 8410 §3, RFC 8017 §A.1
  ecPublicKey: der.oid('1.2.840.10045.2.1'),
  prime256v1: der.oid('1.2.840.10045.3.1.7'),
  secp384r1: der.oid('1.3.132.0.34'),
  ed25519: der.oid('1.3.101.112'),
  rsaEncryption: der.oid('1.2.840.113549.1.1.1'),
  // Signatures: RFC 5758 §3.2, RFC 8017 §A.2.4
  ecdsaWithSha256: der.oid('1.2.840.10045.4.3.2'),
  ecdsaWithSha384: der.oid('1.2.840.10045.4.3.3'),
  ecdsaWithSha512: der.oid('1.2.840.10045.4.3.4'),
  sha256WithRsa: der.oid('1.2.840.113549.1.1.11'),
  sha384WithRsa: der.oid('1.2.840.113549.1.1.12'),
  sha512WithRsa: der.oid('1.2.840.113549.1.1.13'),
  rsaPss: der.oid('1.2.840.113549.1.1.10'),
  mgf1: der.oid('1.2.840.113549.1.1.8'),
  // Names: RFC 5280 §A.1
  organizationName: der.oid('2.5.4.10'),
  commonName: der.oid('2.5.4.3'),
  serialNumberOfName: der.oid('2.5.4.5'),
  // IDevID: RFC 4108 §5, IEEE 802.1AR §8.6
  hardwareModuleName: der.oid('1.3.6.1.5.5.7.8.4'),
  // Extensions: RFC 5280 §4.2, §5.2
  subjectKeyIdentifier: der.oid('2.5.29.14'),
  keyUsage: der.oid('2.5.29.15'),
  subjectAltName: der.oid('2.5.29.17'),
  basicConstraints: der.oid('2.5.29.19'),
  crlNumber: der.oid('2.5.29.20'),
  reasonCode: der.oid('2.5.29.21'),
  deltaCrlIndicator: der.oid('2.5.29.27'),
  issuingDistributionPoint: der.oid('2.5.29.28'),
  nameConstraints: der.oid('2.5.29.30'),
  crlDistributionPoints: der.oid('2.5.29.31'),
  certificatePolicies: der.oid('2.5.29.32'),
  authorityKeyIdentifier: der.oid('2.5.29.35'),
  freshestCrl: der.oid('2.5.29.46'),
  extKeyUsage: der.oid('2.5.29.37'),
  authorityInfoAccess: der.oid('1.3.6.1.5.5.7.1.1'),
  ocsp: der.oid('1.3.6.1.5.5.7.48.1'),
  clientAuth: der.oid('1.3.6.1.5.5.7.3.2'),
  netscapeCertType: der.oid('2.16.840.1.113730.1.1'),
  // OCSP: RFC 6960 §4.2, RFC 9654
  ocspSigning: der.oid('1.3.6.1.5.5.7.3.9'),
  ocspBasic: der.oid('1.3.6.1.5.5.7.48.1.1'),
  ocspNonce: der.oid('1.3.6.1.5.5.7.48.1.2'),
  ocspNoCheck: der.oid('1.3.6.1.5.5.7.48.1.5'),
  sha1: der.oid('1.3.14.3.2.26'),
  /** The certificate's index in its issuer, an INTEGER. An arc of X.667 kept to four octets: common readers refuse longer ones. */
  issuerIndex: der.oid('2.25.197788101'),
  // PKCS#9, PKCS#7, PKCS#12: RFC 2985, RFC 2315, RFC 7292
  extensionRequest: der.oid('1.2.840.113549.1.9.14'),
  challengePassword: der.oid('1.2.840.113549.1.9.7'),
  /** The same by Microsoft, [MS-WCCE] §2.2.2.7.7. */
  microsoftExtensions: der.oid('1.3.6.1.4.1.311.2.1.14'),
  friendlyName: der.oid('1.2.840.113549.1.9.20'),
  localKeyId: der.oid('1.2.840.113549.1.9.21'),
  x509Certificate: der.oid('1.2.840.113549.1.9.22.1'),
  data: der.oid('1.2.840.113549.1.7.1'),
  signedData: der.oid('1.2.840.113549.1.7.2'),
  // What a request should look like: RFC 9908 §3.4
  certificationRequestInfoTemplate: der.oid('1.2.840.113549.1.9.16.2.61'),
  extensionReqTemplate: der.oid('1.2.840.113549.1.9.16.2.62'),
  pkcs8ShroudedKeyBag: der.oid('1.2.840.113549.1.12.10.1.2'),
  certBag: der.oid('1.2.840.113549.1.12.10.1.3'),
  // Hashes: RFC 5754 §2
  sha256: der.oid('2.16.840.1.101.3.4.2.1'),
  sha384: der.oid('2.16.840.1.101.3.4.2.2'),
  sha512: der.oid('2.16.840.1.101.3.4.2.3'),
} as const;
