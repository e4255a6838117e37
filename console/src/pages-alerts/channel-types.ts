import type { Schemas } from '../api.js';

/** The kinds of channels, as people call them. */
export const channelTypes: Record<Schemas['AlertChannel']['type'], string> = {
  webhook: 'Webhook',
  slack: 'Slack',
  email: 'E-mail',
};
