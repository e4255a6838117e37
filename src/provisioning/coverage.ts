import { DomainError } from '../errors.js';
import { isWithin } from '../enrollments/schema.js';
import type { StoredEnrollment } from '../enrollments/store.js';
import { matchesGlob } from '../policy/glob.js';
import type { ProvisionRequest } from './schema.js';

/**
 * Refuses a request that its enrollment does not cover: name, type, attributes, source address.
 * @throws DomainError `outside-enrollment`
 */
export function requireCovered(
  enrollment: StoredEnrollment,
  request: ProvisionRequest,
  sourceIp: string | undefined,
): void {
  const refuse = (why: string) => {
    throw new DomainError('outside-enrollment', `${why}: ask for an enrollment that covers it`);
  };
  if (!matchesGlob(enrollment.thingNamePattern, request.thingName))
    refuse(`the enrollment does not cover the name ${request.thingName}`);
  if (request.thingType !== undefined && request.thingType !== enrollment.thingType)
    refuse('the enrollment is for another thing type');
  const chosen = Object.keys(request.attributes ?? {}).find((name) => !enrollment.deviceAttributes.includes(name));
  if (chosen !== undefined) refuse(`devices of this enrollment may not set the attribute ${chosen}`);
  const { sourceCidrs } = enrollment;
  if (sourceCidrs.length > 0 && !isWithin(sourceIp ?? '', sourceCidrs))
    refuse(`the enrollment does not cover the address ${sourceIp}`);
}
