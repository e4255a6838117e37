/** Reason codes of MQTT 5.0 (§2.4) that Thingward sends or looks for. */
export const reason = {
  success: 0x00,
  disconnectWithWill: 0x04,
  unspecified: 0x80,
  malformed: 0x81,
  protocolError: 0x82,
  unsupportedVersion: 0x84,
  clientIdInvalid: 0x85,
  badCredentials: 0x86,
  notAuthorized: 0x87,
  unavailable: 0x88,
  busy: 0x89,
  shuttingDown: 0x8b,
  badMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  filterInvalid: 0x8f,
  topicInvalid: 0x90,
  idNotFound: 0x92,
  aliasInvalid: 0x94,
  tooLarge: 0x95,
  rateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrative: 0x98,
  useAnotherServer: 0x9c,
  connectTime: 0xa0,
} as const;

/** Return codes of CONNACK in MQTT 3.1 and 3.1.1 (§3.2.2.3). */
export const returnCode = { unsupportedVersion: 1, clientIdInvalid: 2, unavailable: 3, badCredentials: 4, refused: 5 };

/** The return code of MQTT 3 for a reason code of MQTT 5 that refuses a connection. */
export function returnCodeOf(code: number): number {
  switch (code) {
    case reason.unsupportedVersion:
      return returnCode.unsupportedVersion;
    case reason.clientIdInvalid:
      return returnCode.clientIdInvalid;
    case reason.unspecified:
    case reason.unavailable:
    case reason.busy:
    case reason.shuttingDown:
      return returnCode.unavailable;
    case reason.badCredentials:
      return returnCode.badCredentials;
    default:
      return returnCode.refused;
  }
}

/** What came is not MQTT, or not allowed where it came. `code` is the reason code of MQTT 5 that says so. */
export class MqttFault extends Error {
  override readonly name = 'MqttFault';

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}
