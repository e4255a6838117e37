import { isWithinAny } from '../address.js';
import { DomainError } from '../errors.js';
import { matchesGlob } from '../policy/glob.js';
import type { StoredEnrollment } from './store.js';

/** What a device asks for under an enrollment. */
type Asked = { name: string; thingType: string | undefined; attributes: Record<string, string> };

type Limits = Pick<StoredEnrollment, 'thingNamePattern' | 'thingType' | 'deviceAttributes' | 'sourceCidrs'>;

/**
 * Refuses what an enrollment does not cover: name, type, attributes, source address.
 * @throws DomainError `outside-enrollment`
 */
export function requireCovered(limits: Limits, asked: Asked, sourceIp: string | undefined): void {
  const { thingNamePattern, thingType, deviceAttributes, sourceCidrs } = limits;
  const refuse = (why: string) => {
    throw new DomainError('outside-enrollment', `${why}: get an enrollment that covers it`);
  };
  if (!matchesGlob(thingNamePattern, asked.name)) refuse(`the enrollment does not cover the name ${asked.name}`);
  if (asked.thingType !== undefined && asked.thingType !== thingType)
    refuse('the enrollment is for another thing type');
  const chosen = Object.keys(asked.attributes).find((name) => !deviceAttributes.includes(name));
  if (chosen !== undefined) refuse(`devices of this enrollment may not set the attribute ${chosen}`);
  if (sourceCidrs.length > 0 && !isWithinAny(sourceIp ?? '', sourceCidrs))
    refuse(`the enrollment does not cover the address ${sourceIp}`);
}
