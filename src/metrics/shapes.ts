import { z } from 'zod';
import { named } from '../api/named.js';
import { figureNames } from './names.js';

/** The name of a figure. */
export const figureName = named(
  'MetricName',
  'The name of a figure; docs/monitoring.md says what each is',
  z.enum(figureNames),
).meta({ examples: ['decisions.deny'] });
