import { arn, found, idOf, page, Refusal, type Handler, type State } from './fake-iot-state.js';

export function certificateCalls(state: State): Handler[] {
  const { certificates, authorities, connections } = state;
  const register = (pem: string, status: string) => {
    const id = idOf(pem);
    if (certificates.has(id))
      throw new Refusal(409, 'ResourceAlreadyExistsException', { resourceId: id, resourceArn: arn('cert', id) });
    certificates.set(id, { pem, status, policies: new Set(), thing: undefined });
    return { certificateId: id, certificateArn: arn('cert', id) };
  };

  return [
    [
      'POST',
      /^\/cacertificate$/,
      'RegisterCACertificate',
      (_, { body }) => {
        if (body.certificateMode !== 'SNI_ONLY' && !body.verificationCertificate)
          throw new Refusal(400, 'InvalidRequestException');
        const id = idOf(body.caCertificate);
        if (authorities.has(id)) throw new Refusal(409, 'ResourceAlreadyExistsException', { resourceId: id });
        authorities.add(id);
      },
    ],
    [
      'POST',
      /^\/certificate\/register-no-ca$/,
      'RegisterCertificateWithoutCA',
      (_, { body }) => register(body.certificatePem, body.status),
    ],
    [
      'POST',
      /^\/certificate\/register$/,
      'RegisterCertificate',
      (_, { body }) => {
        const id = idOf(body.caCertificatePem);
        if (!authorities.has(id)) throw new Refusal(400, 'CertificateValidationException');
        return register(body.certificatePem, body.status);
      },
    ],
    [
      'GET',
      /^\/certificates\/([^/]+)$/,
      'DescribeCertificate',
      ([id]) => {
        const { pem, status } = found(certificates.get(id!));
        return {
          certificateDescription: { certificateId: id, certificateArn: arn('cert', id!), status, certificatePem: pem },
        };
      },
    ],
    [
      'PUT',
      /^\/certificates\/([^/]+)$/,
      'UpdateCertificate',
      ([id], { query }) => void (found(certificates.get(id!)).status = query.get('newStatus')!),
    ],
    [
      'DELETE',
      /^\/certificates\/([^/]+)$/,
      'DeleteCertificate',
      ([id]) => {
        const { status, policies: attached, thing } = found(certificates.get(id!));
        if (status === 'ACTIVE') throw new Refusal(406, 'CertificateStateException');
        if (attached.size > 0 || thing !== undefined) throw new Refusal(409, 'DeleteConflictException');
        certificates.delete(id!);
      },
    ],
    [
      'DELETE',
      /^\/connections\/([^/]+)$/,
      'DeleteConnection',
      ([clientId], { query }) => {
        if (!connections.delete(clientId!)) throw new Refusal(404, 'ResourceNotFoundException');
        state.closed.push({ clientId: clientId!, withoutWill: query.get('preventWillMessage') === 'true' });
      },
    ],
    [
      'GET',
      /^\/certificates$/,
      'ListCertificates',
      (_, { query }) =>
        page(state, [...certificates.keys()], query.get('marker'), 'certificates', 'nextMarker', (id) => ({
          certificateId: id,
          certificateArn: arn('cert', id),
          status: certificates.get(id)!.status,
        })),
    ],
  ];
}
